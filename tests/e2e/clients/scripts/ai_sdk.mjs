// Vercel's AI SDK: @ai-sdk/openai-compatible, and the chat model of @ai-sdk/openai.

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Output, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

import { KEY, MODEL, PROMPTS, URL, check, failure, run } from "./harness.mjs";

const model =
  process.env.CLIENT_NAME === "ai-sdk-openai"
    ? createOpenAI({ baseURL: URL, apiKey: KEY }).chat(MODEL)
    : createOpenAICompatible({
        name: "openclaw",
        baseURL: URL,
        apiKey: KEY,
        includeUsage: true,
        supportsStructuredOutputs: true,
      })(MODEL);

// After retries the last error is wrapped.
const code = (error) => JSON.parse((error.lastError ?? error).responseBody).error.code;

await run({
  plain: async () => {
    const { text, usage } = await generateText({ model, prompt: PROMPTS.plain });
    check(usage.totalTokens === 18, usage);
    return text;
  },
  stream: async () => {
    const answer = streamText({ model, prompt: PROMPTS.stream });
    let text = "";
    for await (const piece of answer.textStream) text += piece;
    const usage = await answer.usage;
    check(usage.totalTokens === 18, usage);
    return text;
  },
  tools: async () => {
    const answer = streamText({
      model,
      prompt: PROMPTS.tools,
      stopWhen: stepCountIs(3),
      tools: {
        get_weather: tool({
          description: "Tells the weather of a city.",
          inputSchema: z.object({ city: z.string() }),
          execute: async ({ city }) => (city === "Oslo" ? "sunny" : `not ${city}`),
        }),
      },
    });
    return await answer.text;
  },
  structured: async () => {
    const schema = z.object({ name: z.string(), people: z.number() });
    const answer = await generateText({ model, prompt: PROMPTS.structured, output: Output.object({ schema }) });
    return answer.output;
  },
  cancel: async () => {
    const leaving = new AbortController();
    let count = 0;
    const answer = streamText({ model, prompt: PROMPTS.cancel, abortSignal: leaving.signal });
    for await (const _ of answer.textStream) if (++count === 3) leaving.abort();
    return Math.min(count, 3);
  },
  refused: () => failure(() => generateText({ model, prompt: PROMPTS.refused }), code),
  final: () => failure(() => generateText({ model, prompt: PROMPTS.final }), code),
  retried: () => failure(() => generateText({ model, prompt: PROMPTS.retried }), code),
});
