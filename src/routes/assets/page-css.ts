/** The style sheet of the page and of the docs: system fonts, both colour schemes, one column on a phone. */
export const PAGE_CSS = `:root {
  color-scheme: light dark;
  --ground: light-dark(#f5f6f3, #14181a);
  --card: light-dark(#ffffff, #1d2326);
  --ink: light-dark(#1b2427, #e6ebea);
  --soft: light-dark(#566367, #a0adb0);
  --line: light-dark(#d5dbd8, #364146);
  --edge: light-dark(#75838a, #7f8f95);
  --accent: light-dark(#0b6350, #5fd0b1);
  --on-accent: light-dark(#ffffff, #06231c);
  --bad: light-dark(#a81e12, #ff9c8f);
  --bad-ground: light-dark(#fdeeec, #3a1d1a);
  --wait: light-dark(#7a4d00, #f2c063);
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0 auto; max-width: 62rem; padding: 0 1rem 3rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; }
h1, h2, h3 { line-height: 1.2; margin: 0 0 .5rem; text-wrap: balance; }
h1 { font-size: 1.9rem; letter-spacing: -.02em; }
h2 { font-size: 1.25rem; }
h3 { font-size: 1.02rem; }
p { margin: 0 0 .75rem; }
a { color: var(--accent); text-underline-offset: .15em; }
code, pre, .mono { font-family: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, monospace; font-size: .9em; }
pre { overflow: auto; max-height: 24rem; padding: .75rem; border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0 0; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }

.top { padding: 2rem 0 1.25rem; }
.top p { color: var(--soft); max-width: 46rem; }
.links { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; padding: 0; margin: 0; list-style: none; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: 1.25rem; margin: 0 0 1.25rem; }
.card > :last-child { margin-bottom: 0; }
.hint { color: var(--soft); font-size: .92rem; margin-top: .35rem; }
.row { display: grid; gap: 0 1rem; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); }
.actions { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; margin-top: 1rem; }

table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }

.field { margin-bottom: .9rem; min-width: 0; }
label { display: block; font-weight: 600; font-size: .92rem; margin-bottom: .25rem; }
input, select, textarea { width: 100%; min-height: 2.75rem; padding: .5rem .65rem; font: inherit; color: inherit;
  background: var(--card); border: 1px solid var(--edge); border-radius: .4rem; }
textarea { min-height: 4.5rem; resize: vertical; }
input[readonly] { background: var(--ground); }
[aria-invalid="true"] { border-color: var(--bad); border-width: 2px; }
.error { color: var(--bad); font-size: .9rem; margin: .3rem 0 0; }
.notice { border-radius: .4rem; padding: .65rem .8rem; margin: .75rem 0 0; border: 1px solid var(--line); overflow-wrap: anywhere; }
.notice.bad { border-color: var(--bad); background: var(--bad-ground); }
.notice p { margin: 0; }
.notice ul { margin: .4rem 0 0; padding-left: 1.2rem; }
button { min-height: 2.75rem; padding: .5rem 1.1rem; font: inherit; font-weight: 600; cursor: pointer; border-radius: .4rem;
  border: 1px solid var(--accent); background: var(--accent); color: var(--on-accent); }
button.plain { background: transparent; color: var(--accent); }
button.danger { background: transparent; color: var(--bad); border-color: var(--bad); }
button:disabled { opacity: .6; cursor: progress; }

fieldset { border: 0; padding: 0; margin: 0 0 .9rem; min-width: 0; }
legend { font-weight: 700; padding: 0; margin-bottom: .4rem; }
.lines { list-style: none; margin: 0; padding: 0; }
.line { display: grid; grid-template-columns: 1fr 7.5rem auto; gap: .75rem; align-items: start; }
.line button { margin-top: 1.7rem; padding: .5rem .8rem; }
.aside { border-top: 1px solid var(--line); margin-top: 1.25rem; padding-top: 1.25rem; }

.status { display: inline-block; padding: .15rem .65rem; border-radius: 1rem; font-weight: 700; border: 1px solid currentColor; }
.status[data-tone="good"] { color: var(--accent); }
.status[data-tone="bad"] { color: var(--bad); }
.status[data-tone="wait"] { color: var(--wait); }
#document { overflow-wrap: anywhere; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: .75rem 0; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.timeline { list-style: none; margin: .5rem 0 0; padding: 0 0 0 1rem; border-left: 2px solid var(--line); }
.timeline li { margin-bottom: .6rem; overflow-wrap: anywhere; }
.timeline time { color: var(--soft); font-size: .88rem; margin-right: .5rem; }
.approval { border-top: 1px solid var(--line); padding: 1rem 0; }
summary { cursor: pointer; font-weight: 600; }

.operation { border-top: 1px solid var(--line); padding: .9rem 0; overflow-wrap: anywhere; }
.operation h3 { font-weight: 600; }
.method { display: inline-block; min-width: 4.2rem; color: var(--accent); font-weight: 700; }
.operation p { margin: .2rem 0; }
.answers { list-style: none; padding: 0; margin: .4rem 0 0; font-size: .93rem; display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; }
.answers .good { flex-basis: 100%; }
.error-code { border-top: 1px solid var(--line); padding: .9rem 0; scroll-margin-top: 1rem; }
.error-code:first-child { border-top: 0; padding-top: 0; }
.error-code:target { background: var(--bad-ground); box-shadow: 0 0 0 .6rem var(--bad-ground); border-radius: .2rem; }

@media (max-width: 36rem) {
  .top { padding-top: 1.25rem; }
  .card { padding: 1rem; }
  .line { grid-template-columns: 1fr auto; margin-bottom: .75rem; }
  .line .field { margin-bottom: 0; }
  .line .field:first-child { grid-column: 1 / -1; }
  .facts { grid-template-columns: 1fr; gap: 0; }
  .facts dd { margin-bottom: .5rem; }
}
`;
