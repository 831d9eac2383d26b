// Follows case events over WebSocket with the reference client of `graphql-transport-ws`.
// node follow-ws.mjs ws://HOST/graphql/ws TOKEN AFTER COUNT [--cut N]

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { DOCUMENT, main } from './cursor.mjs';

await main(({ url, token }, { after, next, end }) => {
  let socket = null;
  const client = createClient({
    url,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    // A lost connection is for the test to see, not for the client to hide.
    retryAttempts: 0,
    on: {
      opened: (opened) => {
        socket = opened;
      },
    },
  });
  client.subscribe({ query: DOCUMENT, variables: { after } }, { next, error: end, complete: () => end() });
  return { destroy: () => socket.terminate(), dispose: () => client.dispose() };
});
