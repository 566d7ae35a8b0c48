'use strict';
/* dns: a small name server for the farm's names, over UDP and TCP, with the faults that resolvers must live with.
 *
 *     rN.farm-relay.com  A  127.x.y.z        anything else: NXDOMAIN, unless a fault or record was set for it
 *
 * A name may be given { a: [..], aaaa: [..], ns: [..], cname, fault }, fault being timeout | servfail | nxdomain | refused | loop (CNAMEs that
 * lead to each other) | truncate (UDP says TC, TCP answers) | garbage.  Every question is recorded. */
const dgram = require('node:dgram');
const net = require('node:net');
const { addressOf } = require('./host.js');

const TYPE = { A: 1, NS: 2, CNAME: 5, AAAA: 28 };
const RCODE = { servfail: 2, nxdomain: 3, refused: 5 };
const QUESTIONS_MAX = 100000;

function encodeName(name) {
    const parts = name.split('.').filter((p) => p.length > 0).map((p) => Buffer.concat([Buffer.from([p.length]), Buffer.from(p)]));
    return Buffer.concat([...parts, Buffer.from([0])]);
}

function decodeName(message, at) {
    const labels = [];
    while (at < message.length && message[at] !== 0) {
        const n = message[at];
        labels.push(message.subarray(at + 1, at + 1 + n).toString('latin1'));
        at += 1 + n;
    }
    return { name: labels.join('.').toLowerCase(), end: at + 1 };
}

function record(name, type, data, ttl = 30) {
    const head = Buffer.alloc(10);
    head.writeUInt16BE(type, 0);
    head.writeUInt16BE(1, 2);
    head.writeUInt32BE(ttl, 4);
    head.writeUInt16BE(data.length, 8);
    return Buffer.concat([encodeName(name), head, data]);
}

function address6(text) {
    const [left, right] = text.includes('::') ? text.split('::') : [text, null];
    const words = (s) => (s ? s.split(':').map((w) => parseInt(w, 16)) : []);
    const head = words(left);
    const tail = right === null ? [] : words(right);
    const all = head.concat(new Array(8 - head.length - tail.length).fill(0), tail);
    const out = Buffer.alloc(16);
    all.forEach((w, i) => out.writeUInt16BE(w, 2 * i));
    return out;
}

class Dns {
    constructor() {
        this.names = new Map();
        this.questions = [];
        this.total = 0;
    }

    set(name, entry) {
        this.names.set(name.toLowerCase(), entry);
    }

    lookup(name) {
        const own = this.names.get(name);
        if (own !== undefined)
            return own;
        const m = /^r(\d+)\.farm-relay\.com$/.exec(name);
        return m === null ? { fault: 'nxdomain' } : { a: [addressOf(Number(m[1]))] };
    }

    /* The answer to one question, or null for none. */
    answer(query, overTcp) {
        if (query.length < 17 || query.readUInt16BE(4) !== 1)
            return null;
        const { name, end } = decodeName(query, 12);
        const type = query.readUInt16BE(end);
        this.total++;
        if (this.questions.length < QUESTIONS_MAX)
            this.questions.push({ at: Date.now(), name, type, tcp: overTcp });
        const entry = this.lookup(name);
        if (entry.fault === 'timeout')
            return null;
        const head = Buffer.alloc(12);
        query.copy(head, 0, 0, 2);
        const truncated = entry.fault === 'truncate' && !overTcp;
        head.writeUInt16BE(0x8180 | (truncated ? 0x0200 : 0) | (RCODE[entry.fault] || 0), 2);
        head.writeUInt16BE(1, 4);
        const answers = truncated || RCODE[entry.fault] ? [] : this.records(name, type, entry);
        head.writeUInt16BE(answers.length, 6);
        if (entry.fault === 'garbage')
            return Buffer.concat([head.subarray(0, 6), Buffer.from('garbage follows here')]);
        return Buffer.concat([head, query.subarray(12, end + 4), ...answers]);
    }

    records(name, type, entry) {
        if (entry.fault === 'loop')
            return [record(name, TYPE.CNAME, encodeName(`x${name}`)), record(`x${name}`, TYPE.CNAME, encodeName(name))];
        const out = [];
        let owner = name;
        let last = entry;
        for (let i = 0; last.cname && i < 8; i++) {
            out.push(record(owner, TYPE.CNAME, encodeName(last.cname)));
            owner = last.cname;
            last = this.lookup(owner);
        }
        if (type === TYPE.A)
            out.push(...(last.a || []).map((a) => record(owner, TYPE.A, Buffer.from(a.split('.').map(Number)))));
        if (type === TYPE.NS)
            out.push(...(last.ns || []).map((n) => record(owner, TYPE.NS, encodeName(n))));
        if (type === TYPE.AAAA)
            out.push(...(last.aaaa || []).map((a) => record(owner, TYPE.AAAA, address6(a))));
        return out;
    }

    listen(port, done) {
        this.udp = dgram.createSocket('udp4');
        this.udp.on('message', (query, from) => {
            const reply = this.answer(query, false);
            if (reply !== null)
                this.udp.send(reply, from.port, from.address);
        });
        this.tcp = net.createServer((socket) => {
            let input = Buffer.alloc(0);
            socket.on('error', () => {});
            socket.on('data', (data) => {
                input = Buffer.concat([input, data]);
                while (input.length >= 2 && input.length >= 2 + input.readUInt16BE(0)) {
                    const n = input.readUInt16BE(0);
                    const reply = this.answer(input.subarray(2, 2 + n), true);
                    input = input.subarray(2 + n);
                    if (reply !== null) {
                        const length = Buffer.alloc(2);
                        length.writeUInt16BE(reply.length);
                        socket.write(Buffer.concat([length, reply]));
                    }
                }
            });
        });
        this.tcp.listen(port, '127.0.0.1', () => {
            const bound = this.tcp.address().port;
            this.udp.bind(bound, '127.0.0.1', () => done(bound));
        });
    }
}

module.exports = { Dns };
