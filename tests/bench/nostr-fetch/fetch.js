/* fetch: every event of one relay by nostr-fetch, as its README says, a line each as it comes.  Without a relay: what starting costs. */
import { NostrFetcher } from 'nostr-fetch';
import WebSocket from 'ws';

const fetcher = NostrFetcher.init({ webSocketConstructor: WebSocket });
if (process.argv[2]) {
    for await (const event of fetcher.allEventsIterator([process.argv[2]], {}, {}))
        process.stdout.write(`${JSON.stringify(event)}\n`);
}
fetcher.shutdown();
