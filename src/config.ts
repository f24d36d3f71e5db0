/**
 * Every number of the patterns, named and with its unit, and the parsed environment.
 * A wrong value is refused at the start with one line that names the variable.
 */
import { z } from "zod";
import { checkDocumentVariables, documentVariables } from "./config/documents.ts";

// Deadlines (request-response): each hop has less than the one before.
export const CLIENT_DEADLINE_MS = 30_000;
export const GATEWAY_DEADLINE_MS = 25_000;
export const SERVICE_DEADLINE_MS = 20_000;
export const DATABASE_DEADLINE_MS = 15_000;
export const DEADLINE_MARGIN_MS = 500;

// Bodies
export const MAX_JSON_BYTES = 1024 * 1024;
export const MAX_UPLOAD_BYTES = 10 * 1024 * 1024;
export const MAX_REQUEST_LINES = 1_000;
export const PAGE_LIMIT_DEFAULT = 50;
export const PAGE_LIMIT_MAX = 200;
export const LIST_WALK_ROWS = 2_000; // of a list that no index filters: a page looks at no more, and says where the next goes on

// Cache-aside
export const PARTS_CACHE_TTL_S = 24 * 60 * 60;
export const CACHE_SECOND_DROP_MS = 120_000;
export const CACHE_FOLLOWER_WAIT_MS = 2_000;
export const CACHE_READ_TIMEOUT_MS = 1_000; // a cache that hangs is a miss

// Outbox
export const OUTBOX_POLL_MS = 5_000;
export const OUTBOX_BUCKETS = 64;
export const OUTBOX_BATCH_MESSAGES = 100;
export const OUTBOX_BATCH_BYTES = 240_000;
export const THIN_MESSAGE_BYTES = 100_000;
export const QUEUE_SEND_TIMEOUT_MS = 5_000;
export const RESEND_AFTER_MS = 120_000;
export const MAX_SENDS = 4; // the first and three more
export const UNREADABLE_PARK_MS = MAX_SENDS * RESEND_AFTER_MS; // a deployment under way is over by then
export const QUEUE_ATTEMPTS = 5; // the first and wrangler.toml's max_retries: a step of the ladder each
export const DEAD_LETTERS_AT_ONCE = 500; // of one redrive: about 15 statements of the 1,000 of an invocation, and five batches to a queue
export const DEAD_LETTER_GROUPS_MAX = 200;
export const DEAD_LETTER_RETRY_S = 300; // after the ladder: with the queue's 100 retries, eight hours of a database that is down
export const OUTBOX_RETENTION_MS = 14 * 24 * 60 * 60 * 1000;

// Audit: one seal every 100 rows, or when the oldest unsealed row is a minute old
export const AUDIT_SEAL_ROWS = 100;
export const AUDIT_SEAL_AFTER_MS = 60_000;
export const AUDIT_SEAL_MAX_CHARS = 2_000_000; // of one seal's rows: they are held in memory together
export const AUDIT_SEALS_PER_RUN = 20;
export const AUDIT_VERIFY_SEALS = 50; // of one call, unless it asks for another number
export const AUDIT_VERIFY_SEALS_MAX = 100; // each is a read of the database and one of the archive

export const AUDIT_EXPORT_SEALS = 100; // of one export: the next begins where it ends
export const AUDIT_EXPORT_TAIL_ROWS = 1_000; // of the rows that no seal covers yet
export const AUDIT_CLOCK_SLACK_MS = 30_000; // a row's time is taken before its commit, which has 15 s, on another clock

// Idempotency of REST writes
export const ANSWER_RETENTION_MS = 14 * 24 * 60 * 60 * 1000;

// Invariants, checked on the live data
export const NIGHTLY_CRON = "17 3 * * *"; // UTC; wrangler.toml says the same
export const INVARIANT_KEYS = 5_000; // of one statement
export const INVARIANT_ROWS = 1_000; // broken ones that are reported
export const INVARIANT_SEALS = 100; // the newest that are verified, and of one step
export const INVARIANT_BUDGET_MS = 10_000; // of a call, or of a cron's turn; the service itself has 20 s
export const INVARIANT_BUDGET_STATEMENTS = 500; // of the same: D1 takes 1,000 an invocation, the cron has other work too
export const INVARIANT_OVERDUE_MS = 48 * 60 * 60 * 1000; // two nights without a complete check: people are told
export const INVARIANT_OVERDUE_AGAIN_MS = 24 * 60 * 60 * 1000; // and told again
export const INVARIANT_STUCK_MS = 60 * 60 * 1000; // an event's sends are over after ten minutes
export const INVARIANT_DAY_MS = 24 * 60 * 60 * 1000; // an order may wait four hours for a supplier
export const INVARIANT_RECENT_MS = 48 * 60 * 60 * 1000; // two nights: what people may do now isn't what they might then
export const AUDIT_OVERDUE_MS = 10 * 60 * 1000;

// Retry and breaker
export const RETRY_LADDER_MS = [1_000, 2_000, 4_000, 8_000] as const;
export const RETRY_JITTER = 0.5; // each delay is drawn from [d, 1.5 d]
export const BREAKER_FAILURES = 5;
export const BREAKER_WINDOW_MS = 60_000;
export const BREAKER_HEALTH_CHECK_MS = 30_000;
export const BREAKER_PROBE_LEASE_MS = 30_000; // longer than any call: the service itself has 20 s
export const BREAKER_PROBE_WAIT_MS = 2_000; // until those come again who found a probe under way
export const BREAKER_HINT_MS = 1_000;
export const BREAKER_TIMEOUT_MS = 2_000;
export const BREAKER_TELL_AGAIN_MS = 5_000; // news of a breaker that the database didn't take
export const BREAKER_REASON_CHARS = 500;
export const OPEN_CIRCUIT_SPREAD_MS = 10_000; // on top of an open circuit's wait: those that it held up don't come back together

// Hub
export const HUB_FRAME_BYTES = 64 * 1024;
export const HUB_WINDOW_BYTES = 256 * 1024;
export const HUB_DEFAULT_CREDIT = 512;
export const HUB_HELLO_TIMEOUT_MS = 10_000;
export const HUB_WINDOW_FULL_MS = 30_000;
export const HUB_PING_S = 25;
export const HUB_RETENTION_MS = 7 * 24 * 60 * 60 * 1000;
export const HUB_SOCKET_LIFE_MS = 24 * 60 * 60 * 1000;
export const HUB_SWEEP_MS = 24 * 60 * 60 * 1000; // how often the log is swept
export const HUB_REAP_MS = 10 * 60 * 1000; // how often silent sockets are looked for
export const HUB_SILENT_MS = 2 * 60 * 1000; // browsers slow a hidden tab's pings down to one a minute

// Approvals
export const APPROVAL_DUE_MS = 4 * 60 * 60 * 1000;
export const APPROVAL_REMINDERS = [0.5, 0.8] as const;

// Agents on a model: one decision's bounds
export const AI_TIMEOUT_MS = 2_000; // each call
export const AI_MAX_TOKENS = 512; // of each answer
export const AI_TOKEN_BUDGET = 8_000; // of all calls together
export const AI_MAX_LINES = 10; // ambiguous lines asked about; the others go back to the requester

export const AGENT_INPUT_PIECE_BYTES = 1_000_000; // of a kept input in one row: a row of D1 ends at 2 MB

// Commands
export const MAX_COMMAND_LINES = 200; // lines of one transfer or receipt
export const COMMAND_PLANS = 5; // how often one is planned anew when what it read has changed, before it is retried later

// Offline devices
export const DEVICE_GAP_WAIT_MS = 30_000; // how long a missing device sequence holds back those after it
export const DEVICE_CLOCK_AHEAD_MS = 24 * 60 * 60 * 1000; // a device's clock in a wrong zone is tolerated
export const DEVICE_LINE_COMMANDS = 50; // executed at most for one message; the others' messages go on
export const DEVICE_OWN_CHANGES = 1_000; // how many of a device's commands before a count are looked at for its own changes
export const MAX_REPLAY_COMMANDS = 500;

// Orders
export const RESERVATION_LIFE_MS = 72 * 60 * 60 * 1000;
export const RESERVATION_TIMER_MS = 60_000; // after its end, so that whoever hears of it finds it over by any clock
export const ORDER_MAX_WAIT_MS = 4 * 60 * 60 * 1000;
export const ORDER_REPEAT_MAX_MS = 60_000; // at most, until a batch of the saga that must land is sent again: the ladder, then doubling
export const ORDER_OVERDUE_MS = 60_000; // past its wake time: its alarm is lost, it is told and revived
export const SUPPLIER_TIMEOUT_MS = 10_000;
export const SUPPLIER_ANSWER_BYTES = 1024 * 1024; // a look-up names every line of every order under the key

// SharePoint. Sizes by Microsoft's pages on driveItem: put content, createUploadSession.
export const SHAREPOINT_TIMEOUT_MS = 10_000; // of each call
export const SHAREPOINT_UPLOAD_MS = 25_000; // of an upload in all: shorter than the breaker's lease of its probe
export const SHAREPOINT_READ_MS = 15_000; // of a read in all: the service itself has 20 s
export const SHAREPOINT_CANCEL_MS = 2_000; // a session that isn't cancelled expires by itself
export const SHAREPOINT_TOKEN_MARGIN_MS = 60_000; // a token isn't used any more so long before its end
export const SHAREPOINT_ANSWER_BYTES = 64 * 1024;
export const SHAREPOINT_DOCUMENT_BYTES = 4 * 1024 * 1024; // that are read back
export const SHAREPOINT_SIMPLE_BYTES = 4 * 1024 * 1024; // in one call; above it an upload session
export const SHAREPOINT_RANGE_BYTES = 320 * 1024; // a fragment, but for the last one, has a multiple of this
export const SHAREPOINT_FRAGMENT_BYTES = 16 * SHAREPOINT_RANGE_BYTES;
export const SHAREPOINT_SETBACKS = 2; // how often an upload asks where it stands before it is left to the queue
export const SHAREPOINT_SESSIONS = 2; // an expired one is begun anew once
export const SHAREPOINT_PATH_CHARACTERS = 400;

// Purchasing
export const PROPOSAL_REQUESTS = 100; // waiting requests looked at for one proposal
export const PROPOSAL_ALLOCATIONS = 2_000; // of these requests: no further one is looked at once they have so many

// Webhooks
export const WEBHOOK_TIMEOUT_MS = 10_000;
export const WEBHOOK_LADDER_MS = [
  1_000, 2_000, 4_000, 8_000, 60_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000,
] as const; // waits after each failed try: eleven tries in about 18 h
export const WEBHOOK_LIFE_MS = 48 * 60 * 60 * 1000; // of a delivery, however long its circuit was open
export const WEBHOOK_HOLD_MAX_MS = 30 * 60 * 1000; // an open circuit: wait half as long as the delivery is old, at most this
export const WEBHOOK_ROTATION_MS = 24 * 60 * 60 * 1000; // both secrets sign
export const WEBHOOKS_PER_OWNER = 20;
export const WEBHOOK_RETENTION_MS = 30 * 24 * 60 * 60 * 1000; // of deliveries and their log

// Identity
export const TOKEN_LIFE_S = 15 * 60;

const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, "must be a whole number")
    .transform(Number)
    .refine((n) => n >= min && n <= max, `must be between ${min} and ${max}`);

const publicJwk = z.object({
  kty: z.literal("EC"),
  crv: z.literal("P-256"),
  x: z.string().min(1),
  y: z.string().min(1),
});
const jwkSet = z.string().transform((text, context): { keys: z.output<typeof publicJwk>[] } => {
  try {
    return z.object({ keys: z.array(publicJwk) }).parse(JSON.parse(text));
  } catch {
    context.addIssue("must be a JWK set of P-256 public keys");
    return z.NEVER;
  }
});

const SECRET = /^whsec_[A-Za-z0-9+/]{32,86}={0,2}$/; // 24 to 64 bytes

const supplierSecret = z.string().regex(SECRET);
const supplierSecrets = z.string().transform((text, context): Record<string, readonly string[]> => {
  try {
    const named = z.record(
      z.string().min(1).max(100),
      z.union([supplierSecret, z.array(supplierSecret).min(1).max(2)]),
    );
    return Object.fromEntries(Object.entries(named.parse(JSON.parse(text))).map(([name, one]) => [name, [one].flat()]));
  } catch {
    context.addIssue("must be a JSON object: name → whsec_…, or a list of two while one replaces the other");
    return z.NEVER;
  }
});

const settingsSchema = z.object({
  ENVIRONMENT: z.enum(["production", "development"]),
  DECISION_ENGINE: z.enum(["workers-ai", "rules"]),
  AI_MODEL: z.string().min(1),
  AUTH_ISSUER: z.string().min(1),
  AUTH_AUDIENCE: z.string().min(1),
  /** ES256 private key (JWK, JSON) that signs device tokens; a secret. */
  AUTH_PRIVATE_JWK: z.string().min(1, "must hold an ES256 private key (JWK)"),
  /** ES256 private key (JWK, JSON) that signs audit seals; a secret. */
  AUDIT_KEY: z.string().min(1, "must hold an ES256 private key (JWK)"),
  /** Public halves of audit keys used before (JWK set, JSON): their seals stay checkable. */
  AUDIT_RETIRED_KEYS: jwkSet.optional(),
  /** What signs our calls to suppliers, by the name that their rows give; of two, both sign. A secret. */
  SUPPLIER_SECRETS: supplierSecrets.default({}),
  /** People's tokens: an OpenID Connect provider's key set. Unset: people have no tokens outside development. */
  OIDC_JWKS_URL: z.url({ protocol: /^https$/ }).optional(),
  OIDC_ISSUER: z.string().min(1).optional(),
  OIDC_AUDIENCE: z.string().min(1).optional(),
  RELAY_SHARDS: wholeNumber(1, OUTBOX_BUCKETS),
  HUB_SHARDS: wholeNumber(1, 64),
  ...documentVariables,
});
const checkedSettings = settingsSchema.superRefine(checkDocumentVariables);

export type Settings = z.output<typeof settingsSchema>;

/** The settings of this deployment. Throws an Error of one line, `NAME: what is wrong`, on the first wrong value. */
export function parseSettings(env: object): Settings {
  const parsed = checkedSettings.safeParse(env);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Error(`${String(issue?.path[0] ?? "configuration")}: ${issue?.message ?? "is wrong"}`);
}
