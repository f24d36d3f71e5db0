/** Who may sign in at the stand-in, and the one drive that each tenant has. */
export const CLIENT_ID = "7d1f3a52-0c1e-4f6b-9c55-3f1f0c2b8a10";
export const CLIENT_SECRET = "stand-in-secret";
export const DRIVE_ID = "b!waybill-documents";
