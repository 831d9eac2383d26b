// What the following clients share: their arguments, and following a cursor over a connection that may be cut.

/** The subscription they follow. */
export const DOCUMENT = 'subscription($after: Position) { caseEvents(after: $after) { position kind } }';

/** Reads `URL TOKEN AFTER COUNT [--cut N]`; an AFTER of `-` follows from the beginning. */
export function readArguments(argv) {
  const words = argv.slice(2);
  const at = words.indexOf('--cut');
  const cut = at === -1 ? null : Number(words.splice(at, 2)[1]);
  const [url, token, after, count] = words;
  const wrong =
    words.length !== 4 ||
    !(Number(count) > 0) ||
    (cut !== null && !(cut > 0 && cut < Number(count)));
  if (wrong) {
    console.error('usage: URL TOKEN AFTER COUNT [--cut N]   (AFTER `-` for the beginning, 0 < N < COUNT)');
    process.exit(2);
  }
  return { url, token, after: after === '-' || after === '' ? null : after, count: Number(count), cut };
}

/**
 * Follows until `count` events have come, printing each as a JSON line.
 *
 * `open({ after, next, end })` subscribes and returns `{ destroy, dispose }`: `destroy` drops the connection without a
 * word, `dispose` ends it properly. With `cut`, the connection is destroyed once, after that many events, and the
 * cursor goes on from the last position.
 */
async function follow(open, { after, count, cut }) {
  const seen = new Set();
  const tally = { received: 0, duplicates: 0 };
  let last = after;
  let cutAt = cut;
  while (tally.received < count) {
    await new Promise((resolve, reject) => {
      let over = false;
      const finish = (how) => {
        over = true;
        connection[how]();
        resolve();
      };
      const next = (result) => {
        if (over) return;
        if (result.errors) {
          over = true;
          reject(new Error(JSON.stringify(result.errors)));
          return;
        }
        const event = result.data.caseEvents;
        console.log(JSON.stringify(event));
        tally.received += 1;
        if (seen.has(event.position)) tally.duplicates += 1;
        seen.add(event.position);
        last = event.position;
        if (tally.received === count) finish('dispose');
        else if (tally.received === cutAt) {
          cutAt = null;
          finish('destroy');
        }
      };
      const end = (reason) => {
        if (over) return;
        over = true;
        reject(new Error(describe(reason)));
      };
      const connection = open({ after: last, next, end });
    });
  }
  return tally;
}

/** Runs a client to its end, and exits: 0 when all events came, 1 when the server ended the stream or refused it. */
export async function main(open) {
  const options = readArguments(process.argv);
  let status = 0;
  try {
    const tally = await follow((handlers) => open(options, handlers), options);
    if (options.cut !== null) console.log(JSON.stringify(tally));
  } catch (error) {
    console.error(String(error.message ?? error));
    status = 1;
  }
  // Sockets that are kept alive would hold the process; what was printed must be out first.
  process.stdout.write('', () => process.exit(status));
}

function describe(reason) {
  if (reason === undefined) return 'the server completed the subscription';
  if (Array.isArray(reason)) return JSON.stringify(reason);
  if (typeof reason.code === 'number') return `closed with ${reason.code}: ${reason.reason}`;
  return String(reason.message ?? reason);
}
