"""What the systems that read these formats have published about them, written down as schemas.

* JUnit: the schema of Jenkins' xunit plugin (junit-10.xsd), without what is not used here, and made stricter: GitLab
  shows only the first of several cases with one name.
* Gradescope: "Autograder Specifications", output format.
* GitHub Classroom: what autograding-grading-reporter reads, and what the official graders write.
* check50: "JSON specification".
"""

import base64
import json
import re
from typing import Any
from xml.etree import ElementTree

import jsonschema

VISIBILITY = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}
FORMAT = {"enum": ["text", "html", "simple_format", "md", "ansi"]}
TEXT, NUMBER = {"type": "string"}, {"type": "number"}


def closed(required: str, **properties: Any) -> dict[str, Any]:
    """An object with these properties and no others."""
    listed = {"type": "object", "properties": properties, "additionalProperties": False}
    return listed | {"required": required.split()}


def listed(items: Any, **limits: Any) -> dict[str, Any]:
    return {"type": "array", "items": items} | limits


GRADESCOPE = closed(
    "score tests",  # with no score at the top every test needs one
    score=NUMBER,
    execution_time=NUMBER,
    output=TEXT,
    output_format=FORMAT,
    test_output_format=FORMAT,
    test_name_format=FORMAT,
    visibility=VISIBILITY,
    stdout_visibility=VISIBILITY,
    extra_data={"type": "object"},
    leaderboard=listed(closed("name value", name=TEXT, value={}, order={"enum": ["asc", "desc"]})),
    tests=listed(
        closed(
            "",
            score=NUMBER,
            max_score=NUMBER,
            status={"enum": ["passed", "failed"]},
            name=TEXT,
            name_format=FORMAT,
            number=TEXT,
            output=TEXT,
            output_format=FORMAT,
            tags=listed(TEXT),
            visibility=VISIBILITY,
            extra_data={"type": "object"},
        )
    ),
)

VERDICT = {"enum": ["pass", "fail", "error"]}
CLASSROOM = closed(
    "version status max_score tests",
    version={"const": 1},
    status=VERDICT,
    max_score=NUMBER,
    tests=listed(
        closed(
            "name status score message",
            name=TEXT,
            status=VERDICT,
            score=NUMBER,
            message=TEXT,
            test_code=TEXT,
            filename=TEXT,
            line_no={"type": "integer"},
            execution_time=NUMBER,
        )
    ),
)

CHECK50_RESULT = closed(
    "name description passed log cause data dependency",
    name=TEXT,
    description=TEXT,
    passed={"enum": [True, False, None]},
    log=listed({"type": "string", "pattern": r"^[^\n]*$"}),
    cause={"type": ["object", "null"], "required": ["rationale"], "properties": {"rationale": TEXT}},
    data={"type": "object"},
    dependency={"type": ["string", "null"]},
) | {
    "if": {"properties": {"passed": {"const": True}}},
    "then": {"properties": {"cause": {"type": "null"}}},
    "else": {"properties": {"cause": {"type": "object"}}},
}
CHECK50 = closed("slug results version", slug=TEXT, results=listed(CHECK50_RESULT), version=TEXT)

COUNT, SECONDS = r"\d+", r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?"
MESSAGE = {"type": r".+", "message": r".+"}
COUNTS = {"name": r".+", "tests": COUNT, "failures": COUNT, "errors": COUNT, "time": SECONDS}
# By element: its attributes, all of them required, with a pattern of each; the elements in it; whether it holds text.
JUNIT: dict[str, tuple[dict[str, str], set[str], bool]] = {
    "testsuites": (COUNTS, {"testsuite"}, False),
    "testsuite": (COUNTS | {"skipped": COUNT}, {"properties", "testcase"}, False),
    "properties": ({}, {"property"}, False),
    "property": ({"name": r".+", "value": r".*"}, set(), False),
    "testcase": (
        {"classname": r".+", "name": r".+", "time": SECONDS},
        {"failure", "error", "skipped", "system-out"},
        False,
    ),
    "failure": (MESSAGE, set(), True),
    "error": (MESSAGE, set(), True),
    "skipped": (MESSAGE, set(), True),
    "system-out": ({}, set(), True),
}
ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def problems(name: str, data: bytes) -> list[str]:
    """Where a file breaks the rules of its format; none where it is valid."""
    match name:
        case "junit":
            return junit_problems(data)
        case "gradescope":
            return schema_problems(GRADESCOPE, json.loads(data))
        case "classroom":
            assert re.fullmatch(rb"[A-Za-z0-9+/]+={0,2}\n", data)
            return schema_problems(CLASSROOM, classroom(data))
        case "check50":
            report = json.loads(data)
            return schema_problems(CHECK50, report) + check50_problems(report)
    raise AssertionError(name)


def classroom(data: bytes) -> dict[str, Any]:
    return dict(json.loads(base64.b64decode(data, validate=False)))


def schema_problems(schema: dict[str, Any], data: Any) -> list[str]:
    jsonschema.Draft202012Validator.check_schema(schema)
    return [error.message[:300] for error in jsonschema.Draft202012Validator(schema).iter_errors(data)]


def check50_problems(report: dict[str, Any]) -> list[str]:
    names = [result["name"] for result in report["results"]]
    needed = {result["dependency"] for result in report["results"]} - {None}
    return [f"not unique: {name}" for name in names if names.count(name) > 1] + [
        f"no such check: {name}" for name in needed - set(names)
    ]


def junit_problems(data: bytes) -> list[str]:
    found = [f"illegal in XML: {character!r}" for character in ILLEGAL.findall(data.decode("utf-8"))]
    root = ElementTree.fromstring(data)
    found += [] if root.tag == "testsuites" else [f"root is {root.tag}"]
    for element in root.iter():
        found += element_problems(element)
    for suite in root.iter("testsuite"):
        cases = suite.findall("testcase")
        counted = {
            "tests": len(cases),
            "failures": len(suite.findall("testcase/failure")),
            "errors": len(suite.findall("testcase/error")),
            "skipped": len(suite.findall("testcase/skipped")),
        }
        found += [f"{name} is {suite.get(name)}, not {n}" for name, n in counted.items() if suite.get(name) != str(n)]
        found += [f"{name} differs" for name in ("tests", "failures", "errors") if suite.get(name) != root.get(name)]
        names = [case.get("name") for case in cases]
        found += [f"not unique: {name}" for name in names if names.count(name) > 1]
        found += [f"{case.get('name')} ends twice" for case in cases if len([e for e in case if e.tag in MESSAGES]) > 1]
    return found


MESSAGES = {"failure", "error", "skipped"}


def element_problems(element: ElementTree.Element) -> list[str]:
    attributes, children, has_text = JUNIT.get(element.tag, ({}, set(), False))
    found = [] if element.tag in JUNIT else [f"unknown element {element.tag}"]
    if element.attrib.keys() != attributes.keys():
        found.append(f"{element.tag} has {sorted(element.attrib)}, not {sorted(attributes)}")
    for name, pattern in attributes.items():
        if not re.fullmatch(pattern, element.get(name, "")):
            found.append(f"{element.tag}/@{name} is {element.get(name)!r}")
    found += [f"{child.tag} in {element.tag}" for child in element if child.tag not in children]
    stray = (element.text or "").strip() if not has_text else ""
    return found + ([f"text in {element.tag}"] if stray or (element.tail or "").strip() else [])
