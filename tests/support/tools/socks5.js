#!/usr/bin/env node
'use strict';
/* A SOCKS5 server that is not ours (@pondwader/socks5-server) in the place of Tor: .onion names are mapped to addresses of the farm.
 *
 *     node socks5.js --port 0 --map NAME.onion=127.1.0.5 [--map ..]
 *
 * It asks for user name and password and takes any, as Tor does to tell circuits apart.  Prints { port } when ready.  A request
 * for a name that is not mapped, or for an address, is refused.  GET / on the second port, `log`, lists what was asked:
 * [{ name, port, user, password }].  Ends with its standard input. */
const http = require('node:http');
const { createServer } = require('@pondwader/socks5-server');

const names = new Map();
const asked = [];
process.argv.forEach((arg, i) => {
    if (arg === '--map') {
        const [name, address] = process.argv[i + 1].split('=');
        names.set(name, address);
    }
});
const at = process.argv.indexOf('--port');
const port = at < 0 ? 0 : Number(process.argv[at + 1]);

/* The protocol and the connection are theirs; only the name is replaced by the farm's address before it is looked up. */
const proxy = createServer();
proxy.setAuthHandler(() => true);
proxy.setRulesetValidator((connection) => {
    const name = connection.destAddress;
    asked.push({ name, port: connection.destPort, user: connection.username, password: connection.password });
    if (!names.has(name))
        return false;
    connection.destAddress = names.get(name);
    return true;
});

const log = http.createServer((request, response) => response.end(JSON.stringify(asked)));
proxy.listen(port, '127.0.0.1', () => {
    log.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: proxy.server.address().port, log: log.address().port })));
});
process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
