/**
 * The evaluation's places and people, in named rosters. Fixed by hand, so that the approvers of a case can be read off
 * this page: limits are amounts of the request's currency, as the policy writes them.
 */
export const REGIONS = ["north", "south", "east", "west"] as const;
export type Region = (typeof REGIONS)[number];

/** Each region has a hub with stock, a second, smaller depot in the north, and a truck that asks. */
export const LOCATIONS: readonly { id: string; kind: "warehouse" | "truck"; region: Region }[] = [
  { id: "hub-north", kind: "warehouse", region: "north" },
  { id: "depot-north", kind: "warehouse", region: "north" },
  { id: "hub-south", kind: "warehouse", region: "south" },
  { id: "hub-east", kind: "warehouse", region: "east" },
  { id: "hub-west", kind: "warehouse", region: "west" },
  { id: "truck-north", kind: "truck", region: "north" },
  { id: "truck-south", kind: "truck", region: "south" },
  { id: "truck-east", kind: "truck", region: "east" },
  { id: "truck-west", kind: "truck", region: "west" },
];

export interface Person {
  readonly id: string;
  readonly role: "technician" | "keeper" | "manager" | "finance" | "operations" | "admin" | "integrator";
  /** null: every region. */
  readonly region: Region | null;
  /** What the person may approve, as "5,000.00". */
  readonly limit: string;
  /** What the person may ask for without being asked about by A2. */
  readonly self: string;
}

const person = (id: string, role: Person["role"], region: Region | null, limit = "0.00", self = "0.00"): Person => ({
  id,
  role,
  region,
  limit,
  self,
});

/** Who asks. Nobody of these may approve anything, whatever their limit says (H1). */
const ASKERS: readonly Person[] = [
  ...REGIONS.map((region) => person(`tech-${region}`, "technician", region)),
  person("tech-self-500", "technician", "north", "0.00", "500.00"),
  person("tech-self-5000", "technician", "north", "0.00", "5,000.00"),
  person("tech-self-60000", "technician", "north", "0.00", "60,000.00"),
  person("tech-south-self-60000", "technician", "south", "0.00", "60,000.00"),
  person("tech-east-self-60000", "technician", "east", "0.00", "60,000.00"),
  person("tech-with-limit", "technician", "north", "90,000.00"),
  person("erp", "integrator", null),
  person("erp-self-60000", "integrator", null, "0.00", "60,000.00"),
  person("keeper-north", "keeper", "north"),
];

const BYSTANDERS: readonly Person[] = [
  person("ops", "operations", null, "9,000,000.00"),
  person("admin", "admin", null, "9,000,000.00"),
];

const REGIONAL = REGIONS.map((region) => person(`manager-${region}`, "manager", region, "5,000.00"));
const AREA = person("manager-area", "manager", null, "100,000.00");
const CHIEF = person("manager-chief", "manager", null, "2,000,000.00");
const FINANCE = person("finance-1", "finance", null, "2,000,000.00");

/**
 * `standard`: one manager a region up to 5,000.00, then `manager-area` up to 100,000.00, then `manager-chief` up to
 * 2,000,000.00; finance is `finance-1`. The others differ from it in what their name says.
 */
export const ROSTERS = {
  standard: [...ASKERS, ...BYSTANDERS, ...REGIONAL, AREA, CHIEF, FINANCE],
  /** Two managers in the north, with 1,000.00 and 20,000.00. */
  "north-two": [
    ...ASKERS,
    ...BYSTANDERS,
    person("manager-north-low", "manager", "north", "1,000.00"),
    person("manager-north-high", "manager", "north", "20,000.00"),
    AREA,
    CHIEF,
    FINANCE,
  ],
  /** Nobody in the regions: the managers of every region only. */
  "national-only": [...ASKERS, ...BYSTANDERS, AREA, CHIEF, FINANCE],
  /** The regions' managers only, with 5,000.00. */
  "regional-only": [...ASKERS, ...BYSTANDERS, ...REGIONAL, FINANCE],
  /** One manager for everything. */
  "chief-alone": [...ASKERS, ...BYSTANDERS, CHIEF, FINANCE],
  "chief-alone-no-finance": [...ASKERS, ...BYSTANDERS, CHIEF],
  "no-finance": [...ASKERS, ...BYSTANDERS, ...REGIONAL, AREA, CHIEF],
  /** The only finance person is the south's. */
  "finance-south": [
    ...ASKERS,
    ...BYSTANDERS,
    ...REGIONAL,
    AREA,
    CHIEF,
    person("finance-south", "finance", "south", "2,000,000.00"),
  ],
  /** Nobody may approve: operations and administrators have limits and no say. */
  nobody: [...ASKERS, ...BYSTANDERS, FINANCE],
  /** The only manager of the north is one of another region. */
  "south-manager-only": [...ASKERS, ...BYSTANDERS, person("manager-south", "manager", "south", "2,000,000.00")],
} as const satisfies Record<string, readonly Person[]>;
export type Roster = keyof typeof ROSTERS;
