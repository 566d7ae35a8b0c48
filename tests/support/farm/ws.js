'use strict';
/* ws: the server's side of one WebSocket connection, down to single bytes.
 *
 *     socket -> head (HTTP/1.1) -> upgrade | plain HTTP answer | a scripted refusal -> frames <-> owner
 *
 * Written by hand, since a library would not let us break the rules: here a page can be cut in the middle of a frame, dripped byte
 * by byte, fragmented, or followed by a reset.  `Conn` knows nothing of Nostr; relay.js tells it what to send.
 *
 * Frames to send go through `queue`: the normal way writes whole buffers at once; with `drip` they leave in small pieces by timer. */
const crypto = require('node:crypto');

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const HEAD_MAX = 16384;
const MESSAGE_MAX = 4 << 20;

const OP = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 };

/* The header of one unmasked frame. */
function frameHeader(length, opcode, fin = true) {
    const first = (fin ? 0x80 : 0) | opcode;
    if (length < 126)
        return Buffer.from([first, length]);
    if (length < 65536)
        return Buffer.from([first, 126, length >> 8, length & 255]);
    const header = Buffer.alloc(10);
    header[0] = first;
    header[1] = 127;
    header.writeBigUInt64BE(BigInt(length), 2);
    return header;
}

function frame(payload, opcode = OP.TEXT, fin = true) {
    const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload);
    return Buffer.concat([frameHeader(bytes.length, opcode, fin), bytes]);
}

/* One message in `pieces` frames; with `ping`, a ping between the first two as the standard allows. */
function fragmented(payload, pieces, ping) {
    const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload);
    const size = Math.max(1, Math.ceil(bytes.length / pieces));
    const out = [];
    for (let at = 0; at < bytes.length; at += size) {
        const end = Math.min(bytes.length, at + size);
        out.push(frame(bytes.subarray(at, end), at === 0 ? OP.TEXT : OP.CONTINUATION, end === bytes.length));
        if (ping && at === 0 && end < bytes.length)
            out.push(frame('between', OP.PING));
    }
    return Buffer.concat(out);
}

class Conn {
    /* ops: upgrade(conn, head) -> nothing, calls conn.accept() or conn.answer(); message(conn, text); closed(conn) */
    constructor(socket, raw, ops) {
        this.socket = socket;
        this.raw = raw; /* below TLS; the same as socket without it */
        this.ops = ops;
        this.open = false; /* upgraded */
        this.dead = false;
        this.silent = false; /* stalled: nothing is sent any more */
        this.head = null;
        this.input = Buffer.alloc(0);
        this.parts = [];
        this.partsBytes = 0;
        this.drip = null; /* { bytes, ms } */
        this.dripQueue = [];
        this.dripTimer = null;
        this.answersPings = true;
        socket.on('data', (data) => this.read(data));
        socket.on('error', () => {});
        socket.on('close', () => this.end());
    }

    end() {
        if (this.dead)
            return;
        this.dead = true;
        clearInterval(this.dripTimer);
        this.dripQueue = [];
        this.ops.closed(this);
    }

    /* --- reading --- */

    read(data) {
        if (this.dead)
            return;
        this.input = this.input.length === 0 ? data : Buffer.concat([this.input, data]);
        if (this.head === null)
            this.readHead();
        while (this.open && !this.dead && this.readFrame());
    }

    readHead() {
        const end = this.input.indexOf('\r\n\r\n');
        if (end < 0) {
            if (this.input.length > HEAD_MAX)
                this.reset();
            return;
        }
        const lines = this.input.subarray(0, end).toString('latin1').split('\r\n');
        const [method, target] = lines[0].split(' ');
        const headers = {};
        for (const line of lines.slice(1)) {
            const colon = line.indexOf(':');
            headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
        }
        this.input = this.input.subarray(end + 4);
        this.head = { method, path: target || '/', headers };
        this.ops.upgrade(this, this.head);
    }

    readFrame() {
        const b = this.input;
        if (b.length < 2)
            return false;
        let length = b[1] & 127;
        let at = 2;
        if (length === 126) {
            if (b.length < 4)
                return false;
            length = b.readUInt16BE(2);
            at = 4;
        } else if (length === 127) {
            if (b.length < 10)
                return false;
            length = Number(b.readBigUInt64BE(2));
            at = 10;
        }
        const masked = (b[1] & 128) !== 0;
        if (!masked || length > MESSAGE_MAX) {
            this.close(1002);
            return false;
        }
        if (b.length < at + 4 + length)
            return false;
        const mask = b.subarray(at, at + 4);
        const payload = Buffer.from(b.subarray(at + 4, at + 4 + length));
        for (let i = 0; i < length; i++)
            payload[i] ^= mask[i & 3];
        this.input = b.subarray(at + 4 + length);
        this.gotFrame(b[0] & 15, (b[0] & 128) !== 0, payload);
        return true;
    }

    gotFrame(opcode, fin, payload) {
        if (opcode === OP.PING) {
            if (this.answersPings)
                this.send(frame(payload, OP.PONG));
        } else if (opcode === OP.CLOSE) {
            this.send(frame(payload.subarray(0, 2), OP.CLOSE));
            this.socket.end();
        } else if (opcode === OP.TEXT || opcode === OP.CONTINUATION) {
            this.parts.push(payload);
            this.partsBytes += payload.length;
            if (this.partsBytes > MESSAGE_MAX) {
                this.close(1009);
            } else if (fin) {
                const text = Buffer.concat(this.parts).toString('utf8');
                this.parts = [];
                this.partsBytes = 0;
                this.ops.message(this, text);
            }
        }
    }

    /* --- answering the upgrade --- */

    accept() {
        const key = this.head.headers['sec-websocket-key'] || '';
        const hash = crypto.createHash('sha1').update(key + GUID).digest('base64');
        this.socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
            `Sec-WebSocket-Accept: ${hash}\r\n\r\n`);
        this.open = true;
    }

    answer(status, headers, body) {
        const bytes = Buffer.from(body || '');
        let head = `HTTP/1.1 ${status}\r\n`;
        for (const [name, value] of Object.entries(headers))
            head += `${name}: ${value}\r\n`;
        head += `Content-Length: ${bytes.length}\r\nConnection: close\r\n\r\n`;
        this.socket.end(Buffer.concat([Buffer.from(head), bytes]));
    }

    /* --- writing --- */

    send(bytes) {
        if (this.dead || this.silent || this.socket.destroyed || this.socket.writableEnded)
            return;
        if (this.drip === null) {
            this.socket.write(bytes);
            return;
        }
        this.dripQueue.push(bytes);
        if (this.dripTimer === null)
            this.dripTimer = setInterval(() => this.dripSome(), this.drip.ms);
    }

    dripSome() {
        if (this.dripQueue.length === 0 || this.silent)
            return;
        const first = this.dripQueue[0];
        const piece = first.subarray(0, this.drip.bytes);
        if (!this.socket.destroyed)
            this.socket.write(piece);
        if (piece.length === first.length)
            this.dripQueue.shift();
        else
            this.dripQueue[0] = first.subarray(piece.length);
    }

    text(payload) {
        this.send(frame(payload));
    }

    close(code = 1000) {
        const payload = Buffer.alloc(2);
        payload.writeUInt16BE(code);
        this.send(frame(payload, OP.CLOSE));
        this.socket.end();
        setTimeout(() => this.socket.destroy(), 200).unref();
    }

    /* Without a word: a TCP reset. */
    reset() {
        if (typeof this.raw.resetAndDestroy === 'function')
            this.raw.resetAndDestroy();
        this.socket.destroy();
    }
}

module.exports = { Conn, OP, frame, frameHeader, fragmented };
