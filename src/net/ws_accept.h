/* The proof that a server understood the WebSocket upgrade: base64(SHA-1(key + a fixed GUID)), RFC
 * 6455 4.2.2.  SHA-1 is here because the RFC says so; nothing rests on its strength. */
#ifndef NET_WS_ACCEPT_H
#define NET_WS_ACCEPT_H

#include <stdint.h>

enum { WS_KEY_BYTES = 16, WS_KEY_CHARS = 24, WS_ACCEPT_CHARS = 28 };

void ws_key_text(const uint8_t key[WS_KEY_BYTES], char text[WS_KEY_CHARS + 1]);
void ws_accept_text(const char key_text[WS_KEY_CHARS + 1], char text[WS_ACCEPT_CHARS + 1]);

#endif
