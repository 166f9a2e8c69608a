"""Entered courses: for the one who entered them, for a while, a limited number."""

import re

from ketapredict.web.patient.entered import HOURS_KEPT, MOST_COURSES, EnteredCourses


def test_only_the_one_who_entered_it_gets_it_by_an_address_that_tells_nothing(short_cohort):
    kept = EnteredCourses()
    token = kept.add("anna", short_cohort)
    assert re.fullmatch("[0-9a-f]{24}", token)
    assert kept.course("anna", token) is short_cohort
    assert kept.course("ben", token) is None
    assert kept.course("anna", "0" * 24) is None
    assert kept.add("anna", short_cohort) != token


def test_it_is_forgotten_in_time(short_cohort):
    now = [0.0]
    kept = EnteredCourses(clock=lambda: now[0])
    token = kept.add("anna", short_cohort)
    now[0] = HOURS_KEPT * 3600 - 1.0
    assert kept.course("anna", token) is short_cohort
    now[0] = HOURS_KEPT * 3600 + 1.0
    assert kept.course("anna", token) is None


def test_the_oldest_goes_first(short_cohort):
    kept = EnteredCourses()
    tokens = [kept.add("anna", short_cohort) for _ in range(MOST_COURSES + 1)]
    assert kept.course("anna", tokens[0]) is None
    assert kept.course("anna", tokens[1]) is short_cohort
