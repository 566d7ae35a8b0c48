'use strict';
/* script: an HTTP answer byte by byte, for answers that no server should give.
 *
 *     { raw: 'HTTP/1.1 ..', repeat: { text, times }, tail, drip: { bytes, ms }, end: close|reset|stall }
 *
 * Text is sent as latin1, so that any byte can be said.  {accept} stands for the right Sec-WebSocket-Accept, {size} and {body} for
 * `body` and its length.  After `raw` comes `repeat`, then `tail`. */
const crypto = require('node:crypto');

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

function bytesOf(how, head) {
    const key = head.headers['sec-websocket-key'] || '';
    const accept = crypto.createHash('sha1').update(key + GUID).digest('base64');
    const body = how.body || '';
    const fill = (text) => (text || '').replaceAll('{accept}', accept).replaceAll('{size}', String(Buffer.byteLength(body, 'latin1')))
        .replaceAll('{body}', () => body);
    const repeat = how.repeat ? how.repeat.text.repeat(how.repeat.times) : '';
    return Buffer.from(fill(how.raw) + repeat + fill(how.tail), 'latin1');
}

function finish(conn, end) {
    if (end === 'close' || end === undefined)
        conn.socket.end();
    else if (end === 'reset')
        conn.reset();
}

function play(conn, how, head) {
    const bytes = bytesOf(how, head);
    if (!how.drip) {
        conn.socket.write(bytes, () => finish(conn, how.end));
        return;
    }
    let at = 0;
    const timer = setInterval(() => {
        if (conn.dead || conn.socket.destroyed) {
            clearInterval(timer);
        } else if (at >= bytes.length) {
            clearInterval(timer);
            finish(conn, how.end);
        } else {
            conn.socket.write(bytes.subarray(at, at += how.drip.bytes));
        }
    }, how.drip.ms);
}

module.exports = { play };
