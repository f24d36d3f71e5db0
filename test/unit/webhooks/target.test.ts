/** Where a webhook may be sent: each spelling of an address inside of a network is refused, each public name is let through. */
import { describe, it } from "vitest";
import { checkTarget } from "../../../src/domain/webhook-target.ts";

const PRIVATE = [
  // IPv4: loopback, private, link-local and metadata, CGNAT, unspecified, broadcast, multicast, reserved, documentation
  "https://127.0.0.1/",
  "https://127.8.8.8/",
  "https://10.0.0.1/",
  "https://172.16.0.1/",
  "https://172.31.255.255/",
  "https://192.168.1.1/",
  "https://169.254.169.254/latest/meta-data/",
  "https://100.64.0.1/",
  "https://0.0.0.0/",
  "https://255.255.255.255/",
  "https://224.0.0.1/",
  "https://240.0.0.1/",
  "https://192.0.2.1/",
  "https://198.18.0.1/",
  // other spellings of 127.0.0.1 and 169.254.169.254
  "https://2130706433/",
  "https://0x7f000001/",
  "https://0x7f.0.0.1/",
  "https://0177.0.0.1/",
  "https://017700000001/",
  "https://127.1/",
  "https://127.0.1/",
  "https://2852039166/",
  "https://0xa9fea9fe/",
  "https://127.0.0.1./",
  "https://%31%32%37.0.0.1/",
  "https://１２７.０.０.１/",
  "https://127。0。0。1/",
  "https://①②⑦.0.0.1/",
  // IPv6: loopback, unspecified, link-local, unique local, multicast, v4-mapped, v4-compatible, NAT64, 6to4, Teredo
  "https://[::1]/",
  "https://[0:0:0:0:0:0:0:1]/",
  "https://[::]/",
  "https://[fe80::1]/",
  "https://[fc00::1]/",
  "https://[fd12:3456::1]/",
  "https://[ff02::1]/",
  "https://[::ffff:127.0.0.1]/",
  "https://[::ffff:7f00:1]/",
  "https://[::127.0.0.1]/",
  "https://[64:ff9b::7f00:1]/",
  "https://[64:ff9b::169.254.169.254]/",
  "https://[2002:7f00:1::]/",
  "https://[2001:0:7f00:1::]/",
  // names that never leave a network
  "https://localhost/",
  "https://LOCALHOST/",
  "https://ｌｏｃａｌｈｏｓｔ/",
  "https://localhost./",
  "https://api.localhost/",
  "https://printer.local/",
  "https://metadata.google.internal/",
  "https://db.internal/",
  "https://db.internal./",
  "https://router.lan/",
  "https://nas.home.arpa/",
  "https://1.0.0.127.in-addr.arpa/",
  "https://intranet/",
  "https://erp.corp/",
  "https://hidden.onion/",
  "https://hooks.test/",
  "https://hooks.example.com./",
] as const;

const MALFORMED = [
  "http://hooks.example.com/",
  "ftp://hooks.example.com/",
  "file:///etc/passwd",
  "gopher://hooks.example.com/",
  "data:text/plain,x",
  "javascript:alert(1)",
  "//hooks.example.com/",
  "/hooks",
  "hooks.example.com",
  "",
  "https://",
  "https:///",
  "https://user@hooks.example.com/",
  "https://user:pass@hooks.example.com/",
  "https://hooks.example.com@127.0.0.1/",
  "https://127.0.0.1#@hooks.example.com/",
  "https://hooks.example.com/#secret",
  "https://hooks.example.com:80/",
  "https://hooks.example.com:22/",
  "https://hooks.example.com:6379/",
  "https://hooks.example.com:65536/",
  "https:\\\\127.0.0.1\\",
  "https://hooks.example.com\\@127.0.0.1/",
  "https://127.0.0.1\t/",
  " https://hooks.example.com/",
  "https://hooks.example.com/\r\nx: y",
  "https://hooks\u200b.example.com/",
  "https://hooks..example.com/",
  "https://-hooks.example.com/",
  "https://hooks.example.c0m1/",
  "https://[::1",
  "https://256.256.256.256/",
  "https://1.2.3.4.5/",
  `https://hooks.example.com/${"x".repeat(2_000)}`,
] as const;

const PUBLIC: readonly (readonly [string, string])[] = [
  ["https://hooks.example.com", "https://hooks.example.com/"],
  ["HTTPS://Hooks.Example.COM/Path?Query=1", "https://hooks.example.com/Path?Query=1"],
  ["https://hooks.example.com:443/in", "https://hooks.example.com/in"],
  ["https://hooks.example.com:8443/in", "https://hooks.example.com:8443/in"],
  ["https://erp.example.co.uk/a/b", "https://erp.example.co.uk/a/b"],
  ["https://münchen.de/", "https://xn--mnchen-3ya.de/"],
  ["https://10.example.com/", "https://10.example.com/"],
  ["https://localhost.example.com/", "https://localhost.example.com/"],
];

describe("in production", () => {
  it("the tables hold what they should", ({ expect }) => {
    expect(PRIVATE.length).toBeGreaterThanOrEqual(50);
  });

  it.for(PRIVATE)("refuses %s: it isn't a public host", (url, { expect }) => {
    expect(checkTarget(url, "production")).toMatchObject({
      ok: false,
      code: "VALIDATION",
      reason: expect.stringMatching(/^its host/),
    });
  });

  it.for(MALFORMED)("refuses %j", (url, { expect }) => {
    expect(checkTarget(url, "production")).toMatchObject({ ok: false, code: "VALIDATION" });
  });

  it.for(PUBLIC)("takes %s as %s", ([url, called], { expect }) => {
    expect(checkTarget(url, "production")).toEqual({ ok: true, url: called });
  });
});

describe("in development", () => {
  it.for(["http://127.0.0.1:3000/in", "http://localhost:3000/in", "https://hooks.localhost/erp", "http://[::1]:3000/"])(
    "takes %s: a receiver on one's own machine",
    (url, { expect }) => {
      expect(checkTarget(url, "development")).toEqual({ ok: true, url });
    },
  );

  it.for([
    "http://10.0.0.5/",
    "http://192.168.1.1:8080/",
    "http://169.254.169.254/latest",
    "http://0x0a000001/",
    "http://[fd00::1]/",
    "http://[::ffff:10.0.0.1]/",
    "ftp://127.0.0.1/",
    "http://user@localhost/",
    "javascript:alert(1)",
    "http://localhost/#x",
    "",
  ])("still refuses %j", (url, { expect }) => {
    expect(checkTarget(url, "development").ok).toBe(false);
  });
});
