// OpenAI's SDK for JavaScript.

import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { KEY, MODEL, PROMPTS, URL, check, failure, run } from "./harness.mjs";

const client = new OpenAI({ baseURL: URL, apiKey: KEY });
const City = z.object({ name: z.string(), people: z.number() });
const ask = (content, fields = {}) =>
  client.chat.completions.create({ model: MODEL, messages: [{ role: "user", content }], ...fields });

await run({
  plain: async () => {
    const answer = await ask(PROMPTS.plain);
    check(answer.usage.total_tokens === 18, answer);
    return answer.choices[0].message.content;
  },
  stream: async () => {
    let text = "";
    let last;
    for await (const chunk of await ask(PROMPTS.stream, { stream: true, stream_options: { include_usage: true } })) {
      text += chunk.choices[0]?.delta.content ?? "";
      last = chunk;
    }
    check(last.usage.total_tokens === 18, last);
    return text;
  },
  tools: async () => {
    const get_weather = ({ city }) => (city === "Oslo" ? "sunny" : `not ${city}`);
    const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
    const runner = client.chat.completions.runTools({
      model: MODEL,
      messages: [{ role: "user", content: PROMPTS.tools }],
      stream: true,
      tools: [
        { type: "function", function: { function: get_weather, parse: JSON.parse, name: "get_weather", parameters, description: "Tells the weather." } },
      ],
    });
    return await runner.finalContent();
  },
  structured: async () => {
    const answer = await client.chat.completions.parse({
      model: MODEL,
      messages: [{ role: "user", content: PROMPTS.structured }],
      response_format: zodResponseFormat(City, "city"),
    });
    return answer.choices[0].message.parsed;
  },
  cancel: async () => {
    let count = 0;
    for await (const _ of await ask(PROMPTS.cancel, { stream: true })) if (++count === 3) break;
    return count;
  },
  refused: () => failure(() => ask(PROMPTS.refused)),
  final: () => failure(() => ask(PROMPTS.final)),
  retried: () => failure(() => ask(PROMPTS.retried)),
});
