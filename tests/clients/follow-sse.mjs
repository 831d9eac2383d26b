// Follows case events over server-sent events with the reference client of graphql-sse, one connection a subscription.
// node follow-sse.mjs http://HOST/graphql TOKEN AFTER COUNT [--cut N]

import { createClient } from 'graphql-sse';

import { DOCUMENT, main } from './cursor.mjs';

await main(({ url, token }, { after, next, end }) => {
  const scissors = new AbortController();
  const client = createClient({
    url,
    headers: { authorization: `Bearer ${token}` },
    // A lost connection is for the test to see, not for the client to hide.
    retryAttempts: 0,
    fetchFn: (target, init) =>
      fetch(target, { ...init, signal: AbortSignal.any([init.signal, scissors.signal]) }),
  });
  client.subscribe({ query: DOCUMENT, variables: { after } }, { next, error: end, complete: () => end() });
  return { destroy: () => scissors.abort(), dispose: () => client.dispose() };
});
