#!/usr/bin/env node
'use strict';
/* A second relay that is not ours: the server of the package `relays`, in memory, as it comes: it answers in the order of arrival,
 * keeps no limit of its own, and knows nothing but EVENT, REQ and CLOSE.
 *
 *     node peer.js EVENTS.jsonl --port P
 *
 * Signatures are not checked: its releases look for a function that nostr-tools calls otherwise.  Prints { port } when it is filled,
 * and ends with its standard input. */
const fs = require('node:fs');
const { WebSocket } = require('ws');

const say = console.log;
console.log = () => {}; /* a library of theirs greets whoever loads it */
const { createServer } = require('relays/server.js');

const port = Number(process.argv[process.argv.indexOf('--port') + 1]);
const lines = fs.readFileSync(process.argv[2], 'utf8').split('\n').filter((l) => l.length > 0);

createServer({ port, log: false, skipGun: true, nostr: { disableSignature: true, disableUpstream: true } });

function fill() {
    const client = new WebSocket(`ws://127.0.0.1:${port}`);
    let left = lines.length;
    client.on('error', () => setTimeout(fill, 100));
    client.on('open', () => lines.forEach((line) => client.send(`["EVENT",${line}]`)));
    client.on('message', (data) => {
        if (JSON.parse(data.toString())[0] === 'OK' && --left === 0) {
            client.close();
            say(JSON.stringify({ port, events: lines.length }));
        }
    });
}

setTimeout(fill, 50);
process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
