"""What a manifest may say: TOML of any form, values of any type, text of any character, links of any kind."""

from pathlib import Path

import corpus as c
from corpus import Build, Case

LIMIT = 256 * 1024


def sized(text: str) -> Build:
    """Hand in a manifest of exactly the size that is read, made of one text again and again."""
    return c.manifest_bytes((text * (LIMIT // len(text) + 1)).encode()[:LIMIT])


def appended(text: str) -> Build:
    def build(folder: Path) -> None:
        with (folder / "submission.toml").open("a") as file:
            file.write(text)

    return build


def encoded(name: str) -> Build:
    def build(folder: Path) -> None:
        path = folder / "submission.toml"
        path.write_bytes(path.read_text().encode(name))

    return build


def huge(size: int) -> Build:
    def build(folder: Path) -> None:
        with (folder / "submission.toml").open("ab") as file:
            file.truncate(size)

    return build


_PROTOCOLS = ("[" + '"a",' * 50_000 + "]").replace(",]", "]")
_TABLES = '\n[[artifact]]\npath = "delta.safetensors"\n'

FORMS = [
    Case("manifest of 100 MiB", huge(100 * 1024**2), 4, "too large"),
    Case("manifest of 1 TiB of nothing", huge(1024**4), 4, "too large"),
    Case("million keys", c.manifest_bytes(b"".join(b"k%d=1\n" % i for i in range(1_000_000))), 4, "too large"),
    Case("as many keys as are read", c.manifest_bytes(b"".join(b"k%d=1\n" % i for i in range(27_000))), 3, "more prob"),
    Case(
        "keys near the known ones", c.manifest_bytes(b"".join(b"protocolx%d=1\n" % i for i in range(15_000))), 3, "more"
    ),
    Case("a thousand artifacts of one file", appended(_TABLES * 1000), 3, "entries"),
    Case("five thousand artifacts", appended(_TABLES * 5000), 3, "entries"),
    Case("fifty thousand protocols", c.manifest('["ue-tiny-v1"]', _PROTOCOLS), 3, "50000 entries"),
    Case("twenty thousand authors", appended("[[authors]]\n" * 20_000), 3, "entries"),
    Case("a thousand reported numbers", appended('[[reported]]\nmetric = "tset_accuracy"\n' * 1001), 3, "entries"),
    Case("manifest with a byte order mark", encoded("utf-8-sig"), 3, "not TOML"),
    Case("UTF-16", encoded("utf-16"), 3, "UTF-8"),
    Case("UTF-32", encoded("utf-32-le"), 3, "not TOML"),
    Case("Latin-1", lambda folder: (c.edit(folder, '"Fog"', '"F\u00f6g"'), encoded("latin-1")(folder))[0], 3, "UTF-8"),
    Case("text that never ends", sized('a = "' + '\\"' * 300_000), 3, "not TOML"),
    Case("long text that never ends", sized('a = """' + '\\"""' * 100_000), 3, "not TOML"),
    Case("literal text that never ends", sized("a = '''" + "''a" * 100_000), 3, "not TOML"),
    Case("manifest of quotes alone", sized('"'), 3, "not TOML"),
    Case("apostrophes alone", sized("'"), 3, "not TOML"),
    Case("brackets alone", sized("["), 3, "levels deep"),
    Case("braces alone", sized("a={"), 3, "levels deep"),
    Case("closing brackets alone", sized("]"), 3, "not TOML"),
    Case("dots alone", sized("."), 3, "levels deep"),
    Case("comments alone", sized("#"), 3, "missing"),
    Case("line breaks alone", sized("\n"), 3, "missing"),
    Case("equals alone", sized("="), 3, "not TOML"),
    Case("inline tables in a row", sized("a={b={c={d={}}}}\n"), 3, "not TOML"),
    Case("headers in a row", sized("[a.b.c.d.e.f]\n"), 3, "not TOML"),
    Case("arrays of tables in tables", c.manifest_bytes(b"[[a.b.c.d.e.f.g.h]]\n" * 13_000), 3, "unknown key"),
    Case("table twice", appended("\n[method]\n"), 3, "not TOML"),
    Case("key twice", c.manifest('slug = "fog"', 'slug = "fog"\nslug = "fog"'), 3, "not TOML"),
    Case("table into a value", appended("\n[slug.x]\n"), 3, "not TOML"),
    Case("control character in the text", c.manifest_bytes(b'schema = "a\x07"'), 3, "not TOML"),
    Case("JSON", c.manifest_bytes(b'{"schema": "bench.submission/1"}'), 3, "not TOML"),
    Case("YAML alias bomb", c.manifest_bytes(b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]"), 3, "not TOML"),
    Case("XML entities", c.manifest_bytes(b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'), 3, "not TOML"),
    Case("template", c.manifest('"Fog"', "\"{{ 7 * 7 }}{% include '/etc/passwd' %}\""), 0, "no problems"),
    Case("format string", c.manifest('"Fog"', '"%s%n{0.__class__}${HOME}`id`"'), 0, "no problems"),
]

VALUES = [
    Case("date where text belongs", c.manifest('"Fog"', "2026-01-01"), 3, "expected text"),
    Case("time where a date belongs", c.manifest("submitted = 2026-01-31", "submitted = 07:32:00"), 3, "date"),
    Case("moment where a date belongs", c.manifest("= 2026-01-31", "= 2026-01-31T07:32:00Z"), 3, "date"),
    Case("text where a date belongs", c.manifest("= 2026-01-31", '= "2026-01-31"'), 3, "date"),
    Case("year 0", c.manifest("= 2026-01-31", "= 0000-01-31"), 3, "not TOML"),
    Case("number where text belongs", c.manifest('"Fog"', "5"), 3, "expected text"),
    Case("list where text belongs", c.manifest('"Fog"', '["Fog"]'), 3, "expected text"),
    Case("table where text belongs", c.manifest('"Fog"', "{ a = 1 }"), 3, "expected text"),
    Case("text where a list belongs", c.manifest('["ue-tiny-v1"]', '"ue-tiny-v1"'), 3, "expected a list"),
    Case("table where a list belongs", c.manifest('["ue-tiny-v1"]', "{ a = 1 }"), 3, "expected a list"),
    Case("lists in the list of protocols", c.manifest('["ue-tiny-v1"]', '[["ue-tiny-v1"]]'), 3, "expected text"),
    Case("text for a truth value", c.manifest("uses_labels = false", 'uses_labels = "false"'), 3, "true or false"),
    Case("0 for a truth value", c.manifest("uses_labels = false", "uses_labels = 0"), 3, "true or false"),
    Case("truth value for a number", c.manifest("bytes = ", "bytes = true #"), 3, "whole number"),
    Case("fraction for a whole number", c.manifest("bytes = ", "bytes = 144.0 #"), 3, "whole number"),
    Case("infinite number", c.manifest("value = 0.19", "value = inf"), 3, "finite"),
    Case("number whose square overflows", c.manifest("value = 0.19", "value = 1e308"), 3, "too large"),
    Case("number beyond floats", c.manifest("value = 0.19", "value = 1e999"), 3, "finite"),
    Case(
        "seed beyond JSON",
        c.manifest("[[reported]]", '[artifact.recipe]\nattack = "lsp"\nseed = 99999999999999999999\n\n[[reported]]'),
        3,
        "too large",
    ),
    Case(
        "attack that goes up",
        c.manifest("[[reported]]", '[artifact.recipe]\nattack = "../../x"\nseed = 0\n\n[[reported]]'),
        3,
        "unknown attack",
    ),
    Case(
        "attack of a module",
        c.manifest("[[reported]]", '[artifact.recipe]\nattack = "os:system"\nseed = 0\n\n[[reported]]'),
        3,
        "unknown attack",
    ),
    Case("key of the JavaScript prototype", c.manifest("[method]", "[method]\n__proto__ = 1"), 3, "unknown key"),
    Case("key of a Python attribute", c.manifest("[method]", "[method]\n__class__ = 1"), 3, "unknown key"),
    Case("key of 200,000 characters", c.manifest("[method]", f"[method]\n{'k' * 200_000} = 1"), 3, "unknown key"),
    Case("empty key", c.manifest("[method]", '[method]\n"" = 1'), 3, "unknown key"),
    Case("key of slashes", c.manifest("[method]", '[method]\n"../~/" = 1'), 3, "unknown key"),
    Case("schema of tomorrow", c.manifest("bench.submission/1", "bench.submission/2"), 3, "schema"),
    Case("metric that nobody knows", c.manifest('"test_accuracy"', '"__import__"'), 3, "unknown metric"),
    Case("digest that is short", c.manifest('sha256 = "', 'sha256 = "ab" #'), 3, "64"),
    Case("digest of another algorithm", c.manifest('sha256 = "', f'sha256 = "sha512:{"0" * 64}" #'), 3, "64"),
    Case("digest of full-width digits", c.manifest('sha256 = "', f'sha256 = "{chr(0xFF10) * 64}" #'), 3, "64"),
]

_TEXTS = {
    "name": ('"Fog"', "{}"),
    "summary": ('"A pattern that is the same for nobody."', "{}"),
    "author": ('"A. Author"', "{}"),
    "license": ('"CC-BY-4.0"', "{}"),
    "source": ('"Table 1"', "{}"),
    "condition": ('"toy/none"', "{}"),
    "surrogate": ("uses_labels = false", "uses_labels = false\nsurrogate = {}"),
    "extra data": ("uses_labels = false", "uses_labels = false\nextra_data = {}"),
    "conflict": ("test_set_used = false", "test_set_used = false\nconflict_of_interest = {}"),
    "citation": ("[disclosure]", "[cite]\nbibtex = {}\n\n[disclosure]"),
    "license of the code": ("[disclosure]", "[links]\nlicense = {}\n\n[disclosure]"),
    "tensor": ('kind = "sample-wise"', 'kind = "sample-wise"\ntensor = {}'),
}

TEXTS = [
    Case(f"{what} in the {field}", c.manifest(old, new.format(text)), 3, word)
    for field, (old, new) in _TEXTS.items()
    for what, text, word in (
        ("right-to-left override", r'"a\u202Egnp.exe"', "U+202E"),
        ("control character", r'"a\u001b[31mb"', "U+001B"),
    )
] + [
    Case("first strong isolate", c.manifest('"Fog"', r'"a\u2068b"'), 3, "U+2068"),
    Case("Arabic letter mark", c.manifest('"Fog"', r'"a\u061cb"'), 3, "U+061C"),
    Case("soft hyphen", c.manifest('"Fog"', r'"a\u00adb"'), 3, "U+00AD"),
    Case("no-break space", c.manifest('"Fog"', r'"a\u00a0b"'), 3, "U+00A0"),
    Case("line separator", c.manifest('"Fog"', r'"a\u2028b"'), 3, "U+2028"),
    Case("C1 control", c.manifest('"Fog"', r'"a\u009bb"'), 3, "U+009B"),
    Case("tag characters", c.manifest('"Fog"', r'"a\U000E0041b"'), 3, "U+E0041"),
    Case("private use", c.manifest('"Fog"', r'"a\uE000b"'), 3, "U+E000"),
    Case("byte order mark in a text", c.manifest('"Fog"', r'"\uFEFFFog"'), 3, "U+FEFF"),
    Case("name of a blank letter", c.manifest('"Fog"', r'"\u3164"'), 3, "U+3164"),
    Case("name of a blank Braille pattern", c.manifest('"Fog"', r'"\u2800"'), 3, "U+2800"),
    Case("name of spaces", c.manifest('"Fog"', '"   "'), 3, "space"),
    Case("empty name", c.manifest('"Fog"', '""'), 3, "is empty"),
    Case("marks on marks", c.manifest('"Fog"', '"F' + r"\u0301" * 200 + 'og"'), 3, "stacks marks"),
    Case("lone surrogate", c.manifest('"Fog"', r'"a\ud800b"'), 3, "not TOML"),
    Case("markup", c.manifest('"Fog"', '"<script>alert(1)</script>"'), 0, "no problems"),
    Case("name in Cyrillic", c.manifest('"Fog"', '"\u0422\u0443\u043c\u0430\u043d"'), 0, "no problems"),
]

SLUGS = [
    Case(f"slug {name}", c.manifest('slug = "fog"', f"slug = {text}"), 3, word)
    for name, text, word in (
        ("that ends in a dot", '"fog."', "2 to 48"),
        ("that ends in a space", '"fog "', "2 to 48"),
        ("in upper case", '"FOG"', "2 to 48"),
        ("that looks alike", '"f\u043eg"', "2 to 48"),
        ("of full-width letters", '"\uff46\uff4f\uff47"', "2 to 48"),
        ("of a letter", '"f"', "2 to 48"),
        ("of 10,000 letters", f'"{"f" * 10_000}"', "2 to 48"),
        ("of an absolute path", '"/etc"', "2 to 48"),
        ("with a NUL", r'"fog\u0000"', "2 to 48"),
        ("with a line break at its end", r'"fog\n"', "2 to 48"),
        ("of another folder", '"clean"', "not the folder's name"),
        ("that is a number", "5", "expected text"),
    )
]

LINKS = [
    Case(f"link {name}", c.link_line(address), 3, word)
    for name, address, word in (
        ("over http", "http://a.org/", "https"),
        ("to VBScript", "vbscript:x", "https"),
        ("to a file", "file:///etc/passwd", "https"),
        ("in upper case", "HTTPS://a.org", "https"),
        ("that starts with a space", " https://a.org", "https"),
        ("of JavaScript behind a tab", r"java\tscript:alert(1)", "https"),
        ("without scheme", "//a.org/x", "https"),
        ("that is relative", "../x", "https"),
        ("with user and password", "https://user:pass@a.org", "host"),
        ("with an empty user", "https://@a.org", "host"),
        ("to a name that looks alike", "https://exam\u0440le.org", "escape"),
        ("with a right-to-left override", r"https://a.org/\u202e", "escape"),
        ("to an IPv6 address", "https://[::1]/", "host"),
        ("to a broken IPv6 address", "https://[::1/", "host"),
        ("to an IPv4 address", "https://127.0.0.1/", "host"),
        ("to a number", "https://2130706433/", "host"),
        ("to this machine", "https://localhost/", "host"),
        ("to another port", "https://a.org:8443/", "host"),
        ("to a port beyond", "https://a.org:99999/", "host"),
        ("to a port of letters", "https://a.org:x/", "host"),
        ("of dots", "https://a..org/", "host"),
        ("of a hyphen", "https://-a.org/", "host"),
        ("with a backslash", r"https://a.org\\@b.org", "escape"),
        ("with a space", "https://a.org/ b", "escape"),
        ("with a line break", r"https://a.org/\nb", "escape"),
        ("with markup", "https://a.org/<script>", "escape"),
        ("of 100,000 characters", "https://a.org/" + "a" * 100_000, "at most 500"),
        ("that is empty", "", "https"),
    )
]
