/** The bugs that the sweep must find, and the rule that each must break: said beforehand, or finding them proves nothing. */

export interface PlantedBug {
  /** `{patch}.patch`, in this folder. */
  readonly patch: string;
  /** The flows in which it is looked for, the likeliest first. */
  readonly flows: readonly string[];
  /** How the name of the broken rule begins. */
  readonly breaks: string;
  /** Points whose name has this are tried first: the part of the sweep that is aimed at it. */
  readonly near?: string;
}

export const PLANTED: readonly PlantedBug[] = [
  {
    patch: "01-stock-read-then-write",
    flows: ["command"],
    breaks: "1 on_hand is the sum of its movements",
    near: "queue commands DB",
  },
  { patch: "02-done-before-effect", flows: ["upload"], breaks: "3 each response is archived", near: "queue events" },
  { patch: "03-no-done-bit", flows: ["upload"], breaks: "3 nothing is given up", near: "queue events" },
  {
    patch: "04-acknowledge-before-commit",
    flows: ["watcher"],
    breaks: "4 every file that was kept is registered",
    near: "queue uploads",
  },
  {
    patch: "05-event-outside-the-batch",
    flows: ["upload"],
    breaks: "5 a request on its way has an event or an order that moves it on",
    near: "POST /api/uploads DB",
  },
  { patch: "06-assertion-removed", flows: ["command"], breaks: "1 on_hand is the sum of its movements" },
  { patch: "07-demand-not-summed", flows: ["saga"], breaks: "2 a completed order has its movements" },
  {
    patch: "08-no-fence",
    flows: ["cancel"],
    breaks: "2 an order that is over holds no reservation",
    near: "saga DB.batch",
  },
  { patch: "09-lease-by-owner", flows: ["command"], breaks: "5 a lease ends", near: "relay" },
  {
    patch: "10-redrive-with-a-new-id",
    flows: ["redrive"],
    breaks: "6 one audit row for each state that a request came to",
  },
];
