/** What the models on Workers AI cost, as far as it is known. Others can be set too. */

export interface AiModel {
  /** Dollars per million tokens, which is millionths of a dollar per token. */
  readonly inputPrice: number;
  readonly outputPrice: number;
  /** Its page, and the day on which the price was looked up there. */
  readonly source: string;
  readonly priceAsOf: string;
}

export const AI_MODELS: Readonly<Record<string, AiModel>> = {
  "@cf/zai-org/glm-4.7-flash": {
    inputPrice: 0.06,
    outputPrice: 0.4,
    source: "https://developers.cloudflare.com/workers-ai/models/glm-4.7-flash/",
    priceAsOf: "2026-11-25",
  },
};

/** A model whose price isn't known is taken for a dear one, so that a cap on money holds: dollars per million tokens. */
export const AI_UNKNOWN_MODEL_PRICE = { inputPrice: 1, outputPrice: 5 };

/** What a call costs in millionths of a dollar, rounded up. */
export function aiCost(model: string, inputTokens: number, outputTokens: number): number {
  const { inputPrice, outputPrice } = AI_MODELS[model] ?? AI_UNKNOWN_MODEL_PRICE;
  // Thousandths first: 0.4 isn't a number of the machine's.
  const thousandths = inputTokens * Math.round(inputPrice * 1000) + outputTokens * Math.round(outputPrice * 1000);
  return Math.ceil(thousandths / 1000);
}
