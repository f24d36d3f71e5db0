/** The frame of every HTML page: one style sheet, no inline script or style, so that the content security policy holds. */
import { html } from "hono/html";

/** What `html` makes: escaped markup that another template takes as it is. */
export type Markup = ReturnType<typeof html>;

interface Page {
  readonly title: string;
  readonly body: Markup;
  /** Path of the page's own script. */
  readonly script?: string;
}

export function layout({ title, body, script }: Page): Markup {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <link rel="stylesheet" href="/assets/page.css" />
        ${script === undefined ? "" : html`<script type="module" src="${script}"></script>`}
      </head>
      <body>
        ${body}
      </body>
    </html>`;
}
