/** What the demo fleet's parts are called: families of parts by category, with the span of their list prices. */

export const CATEGORIES = [
  "body",
  "brakes",
  "cooling",
  "electrical",
  "electronics",
  "engine",
  "exhaust",
  "filters",
  "fuel",
  "hydraulics",
  "suspension",
  "transmission",
] as const;
export type Category = (typeof CATEGORIES)[number];

export interface Family {
  /** Before the number of the SKU: `PUMP` makes `PUMP-001`. */
  readonly prefix: string;
  readonly name: string;
  readonly category: Category;
  readonly unit: "each" | "set" | "pair" | "litre" | "metre";
  /** List price in whole dollars, from and to. */
  readonly dollars: readonly [number, number];
}

/** The trucks that the parts are made for. They are invented: any likeness to a maker's range is chance. */
export const MODELS = [
  "Halden H7",
  "Halden H9",
  "Halden H13",
  "Norvik 400",
  "Norvik 460",
  "Norvik 530",
  "Castor C8",
  "Castor C12",
  "Brandt 18.320",
  "Brandt 26.440",
  "Tessara Cargo",
  "Tessara Cargo XL",
] as const;

const family = (
  category: Category,
  prefix: string,
  name: string,
  dollars: readonly [number, number],
  unit: Family["unit"] = "each",
): Family => ({ prefix, name, category, unit, dollars });

/** Each family has one part per model. Prefixes and names differ from each other. */
export const FAMILIES: readonly Family[] = [
  family("cooling", "PUMP", "Coolant pump", [95, 310]),
  family("cooling", "RADI", "Radiator", [320, 980]),
  family("cooling", "THER", "Thermostat with housing", [24, 85]),
  family("cooling", "HOSE", "Coolant hose", [9, 24], "metre"),
  family("electrical", "ALTR", "Alternator", [210, 640]),
  family("electrical", "STRT", "Starter motor", [240, 720]),
  family("electrical", "BATT", "Starter battery", [130, 290]),
  family("electrical", "LAMP", "LED headlamp", [110, 420]),
  family("electronics", "ECU", "Engine control unit", [780, 1450]),
  family("electronics", "SENS", "NOx sensor", [180, 460]),
  family("electronics", "ABSM", "ABS control module", [340, 890]),
  family("electronics", "TACH", "Digital tachograph", [520, 940]),
  family("electronics", "TELE", "Telematics gateway", [260, 610]),
  family("brakes", "BRKP", "Brake pad set", [65, 190], "set"),
  family("brakes", "DISC", "Brake disc", [88, 260], "pair"),
  family("brakes", "CALP", "Brake caliper", [190, 520]),
  family("brakes", "BCHM", "Spring brake chamber", [58, 170]),
  family("filters", "FILT", "Oil filter", [8, 38]),
  family("filters", "AIRF", "Air filter", [22, 95]),
  family("filters", "FUEF", "Fuel filter with water separator", [18, 72]),
  family("filters", "CABF", "Cabin filter", [12, 44]),
  family("engine", "BELT", "Serpentine belt", [16, 62]),
  family("engine", "INJC", "Fuel injector", [160, 480]),
  family("engine", "GASK", "Cylinder head gasket set", [48, 210], "set"),
  family("engine", "TURB", "Turbocharger", [690, 1900]),
  family("engine", "OILE", "Engine oil 10W-40", [5, 14], "litre"),
  family("exhaust", "DPFL", "Diesel particulate filter", [620, 1680]),
  family("exhaust", "MUFF", "Silencer", [180, 540]),
  family("exhaust", "DOSE", "AdBlue dosing module", [230, 690]),
  family("fuel", "FPMP", "High-pressure fuel pump", [420, 1180]),
  family("fuel", "TANK", "Fuel tank cap, locking", [14, 46]),
  family("fuel", "FLIN", "Fuel line", [6, 18], "metre"),
  family("hydraulics", "HCYL", "Tipper cylinder", [480, 1540]),
  family("hydraulics", "HPMP", "Hydraulic gear pump", [210, 760]),
  family("hydraulics", "HFLU", "Hydraulic fluid HVLP 46", [4, 9], "litre"),
  family("suspension", "AIRB", "Air spring bellows", [95, 280]),
  family("suspension", "SHOK", "Shock absorber", [62, 210]),
  family("suspension", "LEAF", "Parabolic leaf spring", [140, 390]),
  family("suspension", "BUSH", "Torque rod bushing set", [19, 74], "set"),
  family("transmission", "CLUT", "Clutch kit", [340, 980], "set"),
  family("transmission", "GEAR", "Gear shift actuator", [290, 840]),
  family("transmission", "PROP", "Propeller shaft joint", [42, 160]),
  family("body", "MIRR", "Heated mirror assembly", [120, 360]),
  family("body", "WIPR", "Wiper blade", [9, 28], "pair"),
  family("body", "MUDG", "Mudguard", [28, 96]),
];
