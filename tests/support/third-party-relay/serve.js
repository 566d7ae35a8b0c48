#!/usr/bin/env node
'use strict';
/* A relay that is not ours: the protocol engine of @nostr-relay/core on `ws`, over a file of events.
 *
 *     node serve.js EVENTS.jsonl [--address 127.9.0.1] [--cap 500]
 *
 * The repository keeps everything, also what a well-behaved relay would drop: superseded versions, deletions and what they delete,
 * ephemeral and expired events.  What a filter means is decided by their EventUtils, not by us.  Prints { port } when ready, and ends
 * with its standard input. */
const fs = require('node:fs');
const { WebSocketServer } = require('ws');
const { NostrRelay } = require('@nostr-relay/core');
const { EventRepository, EventUtils, LogLevel } = require('@nostr-relay/common');

class KeepEverything extends EventRepository {
    constructor(events, cap) {
        super();
        this.cap = cap;
        this.events = events.sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1));
        this.ids = new Set(events.map((e) => e.id));
    }

    isSearchSupported() {
        return false;
    }

    upsert(event) {
        if (this.ids.has(event.id))
            return { isDuplicate: true };
        this.ids.add(event.id);
        this.events.push(event);
        this.events.sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1));
        return { isDuplicate: false };
    }

    find(filter) {
        const most = Math.min(filter.limit === undefined ? this.cap : filter.limit, this.cap);
        const found = [];
        for (const event of this.events) {
            if (found.length >= most)
                break;
            if (EventUtils.isMatchingFilter(event, filter))
                found.push(event);
        }
        return found;
    }

    async destroy() {}
}

function option(name, otherwise) {
    const at = process.argv.indexOf(name);
    return at < 0 ? otherwise : process.argv[at + 1];
}

const lines = fs.readFileSync(process.argv[2], 'utf8').split('\n').filter((l) => l.length > 0);
const repository = new KeepEverything(lines.map((l) => JSON.parse(l)), Number(option('--cap', '500')));
const relay = new NostrRelay(repository, { logLevel: LogLevel.ERROR, filterResultCacheTtl: 0 });
const server = new WebSocketServer({ host: option('--address', '127.9.0.1'), port: Number(option('--port', '0')) });

server.on('connection', (socket) => {
    relay.handleConnection(socket);
    socket.on('error', () => {});
    socket.on('close', () => relay.handleDisconnect(socket));
    socket.on('message', (data) => {
        try {
            relay.handleMessage(socket, JSON.parse(data.toString()));
        } catch {
            socket.send('["NOTICE","invalid: not JSON"]');
        }
    });
});
server.on('listening', () => console.log(JSON.stringify({ port: server.address().port, events: lines.length })));
process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
