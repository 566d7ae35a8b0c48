#!/usr/bin/env node
'use strict';
/* TLS in front of a server that speaks none, with a certificate of the farm's.
 *
 *     node tls-front.js CERTIFICATES TARGET-HOST TARGET-PORT [OPTIONS OF tls.createServer AS JSON]
 *
 * Prints { port } when ready, and ends with its standard input. */
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const tls = require('node:tls');

const [dir, host, port, options] = process.argv.slice(2);
const server = tls.createServer({
    key: fs.readFileSync(path.join(dir, 'good.key')),
    cert: fs.readFileSync(path.join(dir, 'good.pem')),
    ...JSON.parse(options || '{}'),
}, (socket) => {
    const inner = net.connect(Number(port), host);
    socket.on('error', () => inner.destroy());
    inner.on('error', () => socket.destroy());
    socket.pipe(inner).pipe(socket);
});

server.on('tlsClientError', () => {});
server.listen(0, '0.0.0.0', () => console.log(JSON.stringify({ port: server.address().port })));
process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
