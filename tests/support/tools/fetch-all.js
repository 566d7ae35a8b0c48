#!/usr/bin/env node
'use strict';
/* A plain REQ client, as an oracle: what does a relay deliver to somebody who just pages back through time?
 *
 *     node fetch-all.js URL [FILTER]      prints the distinct events as JSONL, newest first
 *
 * `until` is inclusive, and a page that brings nothing new steps one second below its oldest event. */
const WebSocket = require('ws');

const url = process.argv[2];
const filter = JSON.parse(process.argv[3] || '{}');
const socket = new WebSocket(url);
const events = new Map();
let requests = 0;
let until;
let page = [];
let fresh = 0;

function ask() {
    requests++;
    page = [];
    fresh = 0;
    socket.send(JSON.stringify(['REQ', `q${requests}`, { ...filter, limit: 500, ...(until === undefined ? {} : { until }) }]));
}

function pageEnded() {
    socket.send(JSON.stringify(['CLOSE', `q${requests}`]));
    if (page.length === 0) {
        socket.close();
        for (const e of events.values())
            process.stdout.write(`${JSON.stringify(e)}\n`);
        return;
    }
    const oldest = Math.min(...page.map((e) => e.created_at));
    until = fresh > 0 && oldest !== until ? oldest : oldest - 1;
    if (until < 0)
        page = [];
    ask();
}

socket.on('open', ask);
socket.on('error', (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
});
socket.on('message', (data) => {
    const m = JSON.parse(data.toString());
    if (m[0] === 'EVENT' && m[1] === `q${requests}`) {
        page.push(m[2]);
        if (!events.has(m[2].id)) {
            fresh++;
            events.set(m[2].id, m[2]);
        }
    } else if (m[0] === 'EOSE' && m[1] === `q${requests}`) {
        pageEnded();
    } else if (m[0] === 'CLOSED' || m[0] === 'NOTICE') {
        process.stderr.write(`${data}\n`);
        process.exit(1);
    }
});
