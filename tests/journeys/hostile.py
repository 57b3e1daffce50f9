"""What hostile clients send, and what they are to be told: one row a case.

Each request would be served if it were read in the way that it hopes for: a key that may do
everything, a document that is right, and often a second request hidden where a body should end.
"""

import gzip
import json
from dataclasses import dataclass
from typing import Final

from tests.harness import KEY

LIMITED: Final = "sk-limited-0123456789abcdef"  # may use the model m only
MAX_BODY: Final = 1 << 20
BODY: Final = b'{"model":"m","messages":[{"role":"user","content":"hostile"}]}'
AUTH: Final = b"authorization: Bearer %b\r\n" % KEY.encode()
HOST: Final = b"host: gateway\r\n"
SIZED: Final = b"content-length: %d\r\n" % len(BODY)
CHUNKED: Final = b"transfer-encoding: chunked\r\n"


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    data: bytes
    status: int
    code: str
    closes: bool = True
    headers: tuple[tuple[str, str], ...] = ()  # that the answer must have


def ask(
    headers: bytes = b"",
    body: bytes = b"",
    *,
    line: bytes = b"POST /v1/chat/completions HTTP/1.1",
    host: bytes = HOST,
    auth: bytes = AUTH,
) -> bytes:
    return line + b"\r\n" + host + auth + headers + b"\r\n" + body


def sized(body: bytes, headers: bytes = b"", **parts: bytes) -> bytes:
    return ask(headers + b"content-length: %d\r\n" % len(body), body, **parts)


def chunks(*lines: bytes, headers: bytes = b"") -> bytes:
    return ask(CHUNKED + headers, b"\r\n".join(lines))


SMUGGLED: Final = sized(BODY.replace(b"hostile", b"smuggled"))
WHOLE: Final = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)  # BODY in one chunk


def _framing() -> list[Row]:
    def row(name: str, data: bytes) -> Row:
        return Row(f"framing: {name}", data + SMUGGLED, 400, "bad_framing")

    encodings = [
        b"identity", b"gzip", b"gzip, chunked", b"chunked, identity", b"chunked, chunked",
        b"chunked,", b",chunked", b"xchunked", b"chunkedx", b"chunked;q=1", b'"chunked"',
        b"chu nked", b"\x0bchunked", b"chunked\x00", b"\xc3\xa7hunked", b"chunked\x0c",
    ]  # fmt: skip
    lengths = [
        b"+%d", b"-%d", b"%d_0", b"0x%x", b"%d,%d", b"%d %d", b"%d;%d", b"%d.0", b"%de0", b"'%d'",
        b"%d\x00", b"%d\x0b", b"\xd9\xa5%d",
    ]  # fmt: skip
    return [
        row("length and chunks", ask(SIZED + CHUNKED, WHOLE)),
        row("chunks and length", ask(CHUNKED + SIZED, WHOLE)),
        row("no length and chunks", ask(b"content-length: 0\r\n" + CHUNKED, WHOLE)),
        row("chunks twice", ask(CHUNKED + CHUNKED, WHOLE)),
        row("chunks and identity", ask(CHUNKED + b"transfer-encoding: identity\r\n", WHOLE)),
        row("identity and chunks", ask(b"transfer-encoding: identity\r\n" + CHUNKED, WHOLE)),
        row("space before the colon", ask(b"transfer-encoding : chunked\r\n", WHOLE)),
        row("tab before the colon", ask(b"content-length\t: 5\r\n", BODY)),
        row("folded", ask(b"transfer-encoding:\r\n chunked\r\n", WHOLE)),
        row("chunks in 1.0", ask(CHUNKED, WHOLE, line=b"POST /v1/chat/completions HTTP/1.0")),
        row("one length twice", ask(SIZED + SIZED, BODY)),
        row("two lengths", ask(SIZED + b"content-length: 5\r\n", BODY)),
        row("an empty length", ask(b"content-length:\r\n", BODY)),
        row("a length of spaces", ask(b"content-length:   \r\n", BODY)),
        row("a length of 20 digits", ask(b"content-length: 99999999999999999999\r\n", BODY)),
        row("a length past 64 bits", ask(b"content-length: 18446744073709551678\r\n", BODY)),
        *[
            row(f"encoding {value!r}", ask(b"transfer-encoding: %b\r\n" % value, WHOLE))
            for value in encodings
        ],
        *[
            row(
                f"length {form!r}",
                ask(b"content-length: %b\r\n" % (form % ((len(BODY),) * form.count(b"%"))), BODY),
            )
            for form in lengths
        ],
    ]  # fmt: skip


def _headers() -> list[Row]:
    def row(name: str, line: bytes) -> Row:
        return Row(f"header: {name}", ask(line + SIZED, BODY + SMUGGLED), 400, "bad_framing")

    return [
        row("bare CR in a value", b"x: a\rb\r\n"),
        row("bare CR before a header", b"x: a\rtransfer-encoding: chunked\r\n"),
        row("bare LF", b"x: a\n"),
        row("bare LF before a header", b"x: a\ntransfer-encoding: chunked\r\n"),
        row("NUL in a value", b"x: a\0b\r\n"),
        row("NUL in a name", b"x\0: a\r\n"),
        row("a control character", b"x: a\x01b\r\n"),
        row("DEL", b"x: a\x7fb\r\n"),
        row("escape", b"x: \x1b[31m\r\n"),
        row("folded by a space", b"x: a\r\n b\r\n"),
        row("folded by a tab", b"x: a\r\n\tb\r\n"),
        row("no colon", b"xyz\r\n"),
        row("no name", b": a\r\n"),
        row("a space before the colon", b"x : a\r\n"),
        row("a space within the name", b"x y: a\r\n"),
        *[
            row(f"{char!r} in a name", b"x%b: a\r\n" % char)
            for char in (b"(", b")", b"@", b"{", b"/", b"\\", b'"', b"\x80", b"\xc3\xa9", b"\t")
        ],
        Row("header: folded at once", ask(host=b" host: x\r\n" + HOST), 400, "bad_framing"),
        Row("header: only LF", ask(SIZED, BODY).replace(b"\r\n", b"\n"), 400, "bad_framing"),
        Row("header: only CR", ask(SIZED, BODY).replace(b"\r\n", b"\r"), 400, "bad_framing"),
        Row("header: LF at its end", ask(SIZED)[:-2] + b"\n" + BODY, 400, "bad_framing"),
    ]


def _chunks() -> list[Row]:
    def row(name: str, data: bytes) -> Row:
        return Row(f"chunks: {name}", data + SMUGGLED, 400, "bad_framing")

    sizes = [
        b"-1", b"+3e", b"0x3e", b" 3e", b"3e ", b"3e\t", b"g", b"", b"3 e", b"3_e", b"\xb2",
        b"FFFFFFFFFFFFFFFFF", b"10000000000000000", b"ffffffffffffffff0", b"3e\x00", b";a=b",
    ]  # fmt: skip
    whole = b"%x" % len(BODY)
    return [
        *[row(f"size {size!r}", chunks(size, BODY, b"0", b"", b"")) for size in sizes],
        row("LF after the size", ask(CHUNKED, b"%b\n%b\r\n0\r\n\r\n" % (whole, BODY))),
        row("CR after the size", ask(CHUNKED, b"%b\r%b\r\n0\r\n\r\n" % (whole, BODY))),
        row("LF after the data", ask(CHUNKED, b"%b\r\n%b\n0\r\n\r\n" % (whole, BODY))),
        row("LF at the end", ask(CHUNKED, WHOLE[:-2] + b"\n")),
        row("more data than said", chunks(whole, BODY + b"x", b"0", b"", b"")),
        row("less data than said", chunks(b"%x" % (len(BODY) + 1), BODY, b"0", b"", b"")),
        row("NUL in an extension", chunks(whole + b";a=\0", BODY, b"0", b"", b"")),
        row("CR in an extension", chunks(whole + b";a=\rb", BODY, b"0", b"", b"")),
        row("LF in an extension", chunks(whole + b";a=\nb", BODY, b"0", b"", b"")),
        row("a flood of extension", chunks(whole + b";a=" + b"x" * 900_000)),
        row("an extension a byte", ask(CHUNKED, (b"1;" + b"a" * 500 + b"\r\n \r\n") * 2000)),
        row("a flood of trailers", chunks(whole, BODY, b"0", *[b"x: y"] * 200_000)),
        row("a long trailer", chunks(whole, BODY, b"0", b"x: " + b"y" * 900_000)),
        row("a trailer without colon", chunks(whole, BODY, b"0", b"x", b"", b"")),
        row("a folded trailer", chunks(whole, BODY, b"0", b"x: y", b" z", b"", b"")),
        row("a trailing length", chunks(whole, BODY, b"0", b"content-length: 5", b"", b"")),
        row("a trailing encoding", chunks(whole, BODY, b"0", CHUNKED, b"")),
    ]


def _lines() -> list[Row]:
    def line(name: str, line: bytes, status: int, code: str) -> Row:
        return Row(f"line: {name}", sized(BODY, line=line) + SMUGGLED, status, code)

    chat, get = b"POST /v1/chat/completions", b"GET /v1/models"
    allow = (("allow", "GET, POST"),)
    return [
        Row("host: none", sized(BODY, host=b""), 400, "bad_host"),
        Row("host: two", sized(BODY, host=HOST + b"host: other\r\n"), 400, "bad_host"),
        Row("host: twice the same", sized(BODY, host=HOST + HOST), 400, "bad_host"),
        *[
            Row(f"host: {value!r}", sized(BODY, host=b"host: %b\r\n" % value), 400, "bad_host")
            for value in (b"a b", b"a, b", b"http://a", b"a/b", b"a@b", b"\xe9", b"a?b", b"a\\b")
        ],
        line("0.9", chat + b" HTTP/0.9", 505, "bad_version"),
        Row("line: no version", get + b"\r\n\r\n", 505, "bad_version"),
        line("1.2", chat + b" HTTP/1.2", 400, "bad_framing"),
        line("9.9", chat + b" HTTP/9.9", 400, "bad_framing"),
        line("1.10", chat + b" HTTP/1.10", 400, "bad_framing"),
        line("11", chat + b" HTTP/11", 400, "bad_framing"),
        line("1", chat + b" HTTP/1", 400, "bad_framing"),
        line("lower case", chat + b" http/1.1", 400, "bad_framing"),
        line("another protocol", chat + b" FTP/1.1", 400, "bad_framing"),
        line("a word more", chat + b" HTTP/1.1 x", 400, "bad_framing"),
        line("a space in the target", b"GET /v1/ models HTTP/1.1", 400, "bad_framing"),
        line("a tab for a space", b"GET\t/v1/models\tHTTP/1.1", 405, "method_not_allowed"),
        line("2.0", chat + b" HTTP/2.0", 505, "bad_version"),
        Row("line: the preface of 2.0", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad_framing"),
        Row("line: TLS", bytes.fromhex("16030100a5010000a10303"), 405, "method_not_allowed"),
        line("absolute", b"POST http://a:1/v1/chat/completions HTTP/1.1", 400, "bad_target"),
        line("another scheme", b"GET file:///etc/passwd HTTP/1.1", 400, "bad_target"),
        line("star", b"OPTIONS * HTTP/1.1", 400, "bad_target"),
        line("authority", b"POST 127.0.0.1:1 HTTP/1.1", 400, "bad_framing"),
        line("no slash", b"GET v1/models HTTP/1.1", 400, "bad_framing"),
        line("a fragment", b"GET /v1/models#x HTTP/1.1", 400, "bad_target"),
        line("bytes above ASCII", b"GET /v1/mod\xc3\xa9ls HTTP/1.1", 400, "bad_framing"),
        line("NUL in the target", b"GET /v1/models\0 HTTP/1.1", 400, "bad_framing"),
        line("CONNECT", b"CONNECT 127.0.0.1:1 HTTP/1.1", 405, "method_not_allowed"),
        line("TRACE", b"TRACE /v1/models HTTP/1.1", 405, "method_not_allowed"),
        *[
            Row(f"method: {name}", sized(BODY, line=name.encode() + b" /v1/models HTTP/1.1"),
                405, "method_not_allowed", True, allow)
            for name in ("FOO", "get", "GETT", "GET\0", "GE T", "X" * 5000, "{}", "HEA", "POST:")
        ],
        *[
            Row(f"method: {name}", sized(BODY, line=b"%b HTTP/1.1" % name.encode()),
                405, "method_not_allowed", False, (("allow", allowed),))
            for name, allowed in (
                ("GET /v1/chat/completions", "POST"), ("PUT /v1/chat/completions", "POST"),
                ("DELETE /v1/embeddings", "POST"), ("OPTIONS /v1/chat/completions", "POST"),
                ("PATCH /v1/models", "GET, HEAD"), ("POST /v1/models", "GET, HEAD"),
                ("QUERY /v1/models", "GET, HEAD"), ("PROPFIND /v1/files", "POST, GET, DELETE"),
            )
        ],
        *[
            Row(f"upgrade: {name}", ask(headers + SIZED, BODY + SMUGGLED), 400, "bad_header")
            for name, headers in (
                ("h2c", b"upgrade: h2c\r\nconnection: upgrade, http2-settings\r\n"
                        b"http2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"),
                ("websocket", b"upgrade: websocket\r\nconnection: upgrade\r\n"),
                ("unconnected", b"upgrade: h2c\r\n"),
            )
        ],
        *[
            Row(f"expect: {value!r}", ask(b"expect: %b\r\n" % value + SIZED, BODY), 417,
                "unsupported_expectation")
            for value in (b"", b"100-continue, x", b"200-ok", b"x" * 2000)
        ],
        Row("expect: twice", ask(b"expect: 100-continue\r\n" * 2 + SIZED), 400, "bad_framing"),
    ]  # fmt: skip


def _sizes() -> list[Row]:
    models = b"GET /v1/models?%b HTTP/1.1"
    long, large = "url_too_long", "headers_too_large"
    return [
        Row("size: a target of 9 kB", ask(line=models % (b"a" * 9000)), 414, long),
        Row("size: a target without end", b"GET /" + b"a" * 60_000, 414, long),
        Row("size: a header of 9 kB", ask(b"x: %b\r\n" % (b"y" * 9000)), 431, large),
        Row("size: a name of 9 kB", ask(b"%b: y\r\n" % (b"x" * 9000)), 431, large),
        Row("size: a header without end", ask(b"x: ")[:-2] + b"y" * 900_000, 431, large),
        Row("size: 101 headers", ask(b"".join(b"x%d: y\r\n" % n for n in range(99))), 431, large),
        Row("size: 101 of one name", ask(b"x: y\r\n" * 99), 431, large),
        Row("size: a length behind 100", ask(b"x: y\r\n" * 99 + SIZED, BODY + SMUGGLED),
            431, large),
        Row("size: 40 kB in all",
            ask(b"".join(b"x%d: %b\r\n" % (n, b"y" * 4000) for n in range(10))), 431, large),
        Row("size: lines without end", b"\r\n" * 30_000, 431, large),
        Row("size: a body of 10 GB", ask(b"content-length: 10000000000\r\n"), 413,
            "body_too_large"),
        Row("size: a body of 10^17", ask(b"content-length: 1%b\r\n" % (b"0" * 17)), 413,
            "body_too_large"),
        Row("size: one byte more", ask(b"content-length: %d\r\n" % (MAX_BODY + 1)), 413,
            "body_too_large"),
        Row("size: chunks of more", ask(CHUNKED, b"%x\r\n%b" % (MAX_BODY * 2, b" " * MAX_BODY * 2)),
            413, "body_too_large"),
        Row("size: small chunks of more", ask(CHUNKED, (b"400\r\n%b\r\n" % (b" " * 1024)) * 2000),
            413, "body_too_large"),
        Row("size: an upload of 10 GB",
            ask(b"content-length: 10000000000\r\ncontent-type: audio/wav\r\n",
                line=b"POST /v1/audio/transcriptions HTTP/1.1"), 413, "body_too_large"),
    ]  # fmt: skip


def _encodings() -> list[Row]:
    bomb = gzip.compress(BODY + b" " * 5_000_000)
    return [
        Row(f"encoding: {value!r}", sized(bomb, b"content-encoding: %b\r\n" % value), 415,
            "unsupported_content_encoding", False, (("accept-encoding", "identity"),))
        for value in (b"gzip", b"deflate", b"br", b"zstd", b"identity, gzip", b"x-gzip", b"",
                      b"\xff")
    ]  # fmt: skip


def _document(**changes: object) -> bytes:
    fields = {"model": "m", "messages": [{"role": "user", "content": "hostile"}]} | changes
    kept = {key: value for key, value in fields.items() if value is not ...}
    return json.dumps(kept).encode()


def _json() -> list[Row]:
    def row(name: str, body: bytes, code: str) -> Row:
        return Row(f"json: {name}", sized(body), 400, code, closes=False)

    inner = b'{"model":"m","messages":[{"role":"user","content":%b}]}'
    more = BODY[:-1] + b',"x":%b}'
    return [
        *[
            row(f"{body!r:.40}", body, "invalid_json")
            for body in (
                b"", b" ", b"{", b"{}x", b'{"model"', b"nope", BODY * 2, BODY[:-1], BODY + b"]",
                b"'a'", BODY[:-1] + b",}", b"\xef\xbb\xbf" + BODY, BODY.decode().encode("utf-16"),
                b"// no\n" + BODY, BODY[:-1] + b",x:1}", b"\0" + BODY, BODY + b"\0",
                more % b"NaN", more % b"Infinity", more % b"-Infinity", more % b"01", more % b"+1",
                more % b".5", more % b"0x1", more % b"undefined",
                inner % b'"\xff"', inner % b'"\xc0\x80"', inner % b'"\xed\xa0\x80"',
                inner % b'"\xf5\x80\x80\x80"', inner % b'"a\nb"', inner % b'"\\x41"',
                inner % b'"\\ud800"', inner % b'"\\udc00\\ud800"', inner % b'"\\ud800x"',
            )
        ],
        *[
            row(f"top {body!r}", body, "invalid_body")
            for body in (b"null", b"[]", b'"m"', b"1", b"true", b"-0.5", b"[%b]" % BODY)
        ],
        row("70 deep", more % (b"[" * 70 + b"]" * 70), "too_deep"),
        row("70 objects deep", more % (b'{"a":' * 70 + b"1" + b"}" * 70), "too_deep"),
        row("100 000 deep", more % (b"[" * 100_000 + b"]" * 100_000), "too_deep"),
        row("100 000 open", more[:-3] + b"[" * 100_000, "too_deep"),
        row("10 000 digits", more % (b"9" * 10_000), "invalid_value"),
        row("10 000 digits within", more % (b"[%b]" % (b"9" * 10_000)), "invalid_value"),
        row("10 000 digits of tokens", _document(max_tokens=...)[:-1] + b',"max_tokens":%b}'
            % (b"1" * 4000), "invalid_value"),
        row("model twice", BODY[:-1] + b',"model":"other"}', "duplicate_key"),
        row("model twice, escaped", BODY[:-1] + b',"mod\\u0065l":"other"}', "duplicate_key"),
        row("stream twice", more % b'1,"stream":true,"stream":false', "duplicate_key"),
        row("a key twice, spaced", BODY[:-1] + b' , "x" : 1 , "x" : 1 }', "duplicate_key"),
    ]  # fmt: skip


def _values() -> list[Row]:
    def row(body: bytes, code: str, status: int = 400) -> Row:
        name = body.removeprefix(b'{"model": ')
        return Row(f"value: {name!r:.90}", sized(body), status, code, closes=False)

    names = [
        "other", "M", " m", "m ", "m\0", "m\r\nx: y", "m/../m", "../m", "real-model",
        "up/real-model", "x" * 100_000, "\x1b[31mred", "m\u202e", "\u00e9", "{m}", "${KEY}", "%s%n",
        "__class__", "*",
    ]  # fmt: skip
    wrong: list[object] = [[], {}, "hi", None, [1], [None], [{"role": ""}], [{"role": 1}]]
    return [
        *[row(_document(model=name), "model_not_found", 404) for name in names],
        row(_document(model=...), "missing_value"),
        row(_document(messages=...), "missing_value"),
        *[
            row(_document(model=model), "invalid_value")
            for model in ("", None, 1, True, [], ["m"], {}, {"model": "m"})
        ],
        *[
            row(_document(messages=messages), "invalid_value")
            for messages in wrong
        ],
        row(_document(messages=[{}]), "missing_value"),
        *[
            row(_document(**{key: value}), "invalid_value")
            for key, value in (
                ("n", 0), ("n", -1), ("n", "1"), ("n", 1.5), ("max_tokens", -1),
                ("max_tokens", "9"), ("temperature", "hot"), ("stream", "yes"), ("stream", 1),
                ("stream_options", True), ("seed", "x"), ("stop", 1), ("tools", {}), ("top_p", [1]),
            )
        ],
    ]  # fmt: skip


def _credentials() -> list[Row]:
    key, told = KEY.encode(), (("www-authenticate", "Bearer"),)
    alone = [
        b"", b"authorization:\r\n", b"authorization: Bearer\r\n", b"authorization: Bearer \r\n",
        b"authorization: %b\r\n" % key, b"authorization: Basic %b\r\n" % key,
        b"authorization: Bearer  %b\r\n" % key, b"authorization: Bearer %b x\r\n" % key,
        b"authorization: Bearer %b,\r\n" % key, b'authorization: Bearer "%b"\r\n' % key,
        b"authorization: Bearer %b\r\n" % key[:-1], b"authorization: Bearer %b0\r\n" % key,
        b"authorization: Bearer %b\r\n" % key.upper(), b"authorization: Bearer%b\r\n" % key,
        b"authorization: Token %b\r\n" % key, b"authorization: Bearer\t%b\r\n" % key,
        b"authorization: Bearer sk-upstream-secret\r\n", b"authorization: Bearer *\r\n",
        b"authorization: Bearer null\r\n", b"authorization: Bearer ' OR '1'='1\r\n",
        b"authorization: Bearer \xff\xfe\r\n", b"authorization: Bearer " + b"k" * 7000 + b"\r\n",
        b"x-api-key:\r\n", b"x-api-key: Bearer %b\r\n" % key, b"x-api-key: no\r\n",
        b"api-key: %b\r\n" % key, b"proxy-authorization: Bearer %b\r\n" % key,
        b"cookie: authorization=%b\r\n" % key,
        AUTH + b"x-api-key: other\r\n", b"authorization: Bearer other\r\nx-api-key: %b\r\n" % key,
    ]  # fmt: skip
    twice = [AUTH + b"authorization: Bearer other\r\n", AUTH * 2, b"x-api-key: %b\r\n" % key * 2]
    in_query = sized(BODY, auth=b"", line=b"POST /v1/chat/completions?api_key=%b HTTP/1.1" % key)
    told_401 = (401, "invalid_api_key")
    limited = b"authorization: Bearer %b\r\n" % LIMITED.encode()
    return [
        *[Row(f"key: {lines!r:.80}", sized(BODY, auth=lines), *told_401, False, told)
          for lines in alone],
        *[Row(f"key: {lines!r:.150}", sized(BODY, auth=lines), *told_401, True, told)
          for lines in twice],
        Row("key: in the query", in_query, *told_401, False, told),
        Row("key: none, a body in chunks", ask(CHUNKED, WHOLE, auth=b""), *told_401, True, told),
        Row("key: for another model", sized(_document(model="n"), auth=limited), 403,
            "model_not_allowed", closes=False),
        Row("key: for another model by its name",
            ask(line=b"GET /v1/models/n HTTP/1.1", auth=limited), 403, "model_not_allowed",
            closes=False),
    ]  # fmt: skip


def _paths() -> list[Row]:
    def row(path: bytes, status: int = 404, code: str = "not_found") -> Row:
        line = b"%b HTTP/1.1" % path
        return Row(f"path: {path!r}", sized(b"", line=line), status, code, closes=False)

    return [
        *[
            row(b"POST " + path)
            for path in (
                b"/", b"//", b"/v1", b"/v1/", b"/v2/chat/completions", b"/v1/chat/completions/",
                b"//v1/chat/completions", b"/v1//chat/completions", b"/./v1/chat/completions",
                b"/v1/chat/../chat/completions", b"/v1/chat%2fcompletions", b"/%761/models",
                b"/V1/chat/completions", b"/v1/chat/completions;x", b"/metrics", b"/admin/config",
                b"/v1/files/../../admin", b"/v1/files/..%2f..%2fx", b"/v1/files/%2e%2e/%2e%2e/x",
                b"/v1/files/a/%2e%2e/b", b"/v1/files/..%5cx", b"/v1/files/a%2fb", b"/v1/files/.",
                b"/v1/images/..", b"/v1/audio/../chat/completions",
            )
        ],
        row(b"GET /v1/models/..", 404, "model_not_found"),
        row(b"GET /v1/models/%2e%2e%2fadmin", 404, "model_not_found"),
        row(b"GET /v1/models/" + b"x" * 8000, 404, "model_not_found"),
        row(b"GET /v1/models/%00%0d%0a%ff", 404, "model_not_found"),
        row(b"POST /v1/files", 400, "missing_value"),
        row(b"POST /v1/files?model=m&model=n", 400, "invalid_value"),
    ]  # fmt: skip


ROWS: Final = [
    *_framing(), *_headers(), *_chunks(), *_lines(), *_sizes(), *_encodings(), *_json(),
    *_values(), *_credentials(), *_paths(),
]  # fmt: skip
