// What every Node client script does; see harness.py.

const { CLIENT_NAME: NAME, CLIENT_BASE_URL: URL, CLIENT_API_KEY: KEY } = process.env;
const MODEL = "openclaw";

const prompt = (capability, directives) => `${NAME}-${capability} [[${directives}]]`;

const PROMPTS = {
  plain: prompt("plain", "reply=pong"),
  stream: prompt("stream", "chunks=5"),
  tools: prompt("tools", 'tool=get_weather args={"city":"Oslo"}'),
  structured: prompt("structured", 'reply={"name":"Oslo","people":700000}'),
  cancel: prompt("cancel", "chunks=400 delay=0.05"),
  refused: prompt("refused", "status=400"),
  final: prompt("final", "empty=1"),
  retried: prompt("retried", "status=503"),
};

/** Run checks, named by capability; what each returns is what it saw. */
async function run(checks) {
  for (const [capability, check] of Object.entries(checks)) {
    let told;
    try {
      told = { capability, seen: await check() };
    } catch (error) {
      told = { capability, error: String(error?.stack ?? error) };
    }
    process.stdout.write(JSON.stringify(told) + "\n");
  }
}

/** The code of the error that a call throws, as the client shows it. */
async function failure(call, code = (error) => error.code) {
  let answer;
  try {
    answer = await call();
  } catch (error) {
    const found = code(error);
    if (!found) throw error;
    return found;
  }
  throw new Error(`no error, but ${JSON.stringify(answer)}`);
}

function check(holds, what) {
  if (!holds) throw new Error(`unexpected: ${JSON.stringify(what)}`);
}

export { KEY, MODEL, PROMPTS, URL, check, failure, run };
