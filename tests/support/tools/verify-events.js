#!/usr/bin/env node
'use strict';
/* Verifies every event on standard input (JSONL) with nostr-tools: id and signature by code that is not ours.  The last line says
 * { good, bad, first_bad }; the exit status is 1 when there was a bad one. */
const readline = require('node:readline');
const { verifyEvent } = require('nostr-tools/pure');

let good = 0;
const bad = [];
const input = readline.createInterface({ input: process.stdin, crlfDelay: Infinity });
input.on('line', (line) => {
    if (line.length === 0)
        return;
    let valid = false;
    try {
        valid = verifyEvent(JSON.parse(line));
    } catch {
        valid = false;
    }
    if (valid)
        good++;
    else
        bad.push(line.slice(0, 200));
});
input.on('close', () => {
    console.log(JSON.stringify({ good, bad: bad.length, first_bad: bad[0] || '' }));
    process.exit(bad.length > 0 ? 1 : 0);
});
