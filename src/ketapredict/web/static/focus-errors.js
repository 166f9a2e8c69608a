// Who hears the page hears first what is to be repaired.
document.querySelector(".error-summary")?.focus();
