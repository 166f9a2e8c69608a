// What-if without a new page: the server answers with the same part that it would put into one.
(() => {
  const form = document.getElementById("what-if-form");
  const result = document.getElementById("what-if-result");
  const heard = document.getElementById("what-if-heard");
  if (!form || !result || !heard) return;
  let asking = false;
  let again = false;

  // One question at a time, the first at once; of those that come meanwhile only the last is asked.
  const ask = async () => {
    if (asking) { again = true; return; }
    asking = true;
    result.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { "X-Fragment": "1" },
        credentials: "same-origin",
        redirect: "error",
      });
      const text = await answer.text();
      if (!answer.ok && answer.status !== 422) throw new Error("refused");
      result.innerHTML = text;
      // Who hears the page hears the two numbers; a mistake is an alert of its own; all else is there to be read.
      heard.textContent = result.querySelector(".beside")?.textContent ?? "";
    } catch {
      result.textContent = "No answer from the server, or you are signed out. Load the page again.";
    }
    asking = false;
    if (again) { again = false; ask(); return; }
    result.removeAttribute("aria-busy");
  };

  // A slider beside each score: moving is quicker than typing, and both say the same.
  for (const input of form.querySelectorAll("input[data-highest]")) {
    const slider = document.createElement("input");
    slider.type = "range";
    slider.min = "0";
    slider.max = input.dataset.highest;
    slider.step = "1";
    slider.setAttribute("aria-label", `${input.dataset.label}, slider`);
    // A score that is not known has no place on a slider: none is shown before there is one.
    const follow = () => {
      slider.hidden = input.value.trim() === "" || Number.isNaN(Number(input.value));
      if (!slider.hidden) slider.value = input.value;
    };
    follow();
    slider.addEventListener("input", () => { input.value = slider.value; });
    input.addEventListener("input", follow);
    form.addEventListener("reset", () => setTimeout(follow, 0));
    input.after(slider);
  }
  form.addEventListener("input", ask);
  form.addEventListener("reset", () => setTimeout(ask, 0));
  form.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
})();
