"""Findings as text, JSON and annotations: place, message, way out."""

import json

from bench.problems import Problem, exit_code, format_problems, visible

PROBLEM = Problem("s/fog/submission.toml", "/slug", "slug", "100% wrong\x1b[2J", "rename, please: now", line=3)


def test_a_text_report_has_place_message_remedy_and_count():
    assert format_problems([PROBLEM]).splitlines() == [
        "s/fog/submission.toml:3: error: /slug: 100% wrong\\x1b[2J",
        "    rename, please: now",
        "1 error",
    ]


def test_a_json_report_can_be_read_back():
    found = json.loads(format_problems([PROBLEM], "json"))["problems"]
    assert [Problem(**item) for item in found] == [PROBLEM]


def test_a_github_annotation_escapes_what_would_end_it():
    problem = Problem("a,b:c%.toml", "", "x", "one\n::error::two", "r")
    assert format_problems([problem], "github") == "::error file=a%2Cb%3Ac%25.toml,title=x::one\\n::error::two. r"


def test_unknown_text_is_shown_in_one_line_and_cut():
    assert visible("a\nb\u202e\udc80\x00") == "a\\nb\\u202e\\udc80\\x00"
    assert visible("x" * 500, 10) == "xxxxxxxxxx... (500 characters)"


def test_no_problems_is_said_and_exits_with_zero():
    assert (format_problems([]), exit_code([])) == ("no problems", 0)
