/* How our mbedTLS 3.6 differs from the configuration that its authors ship.  packaging/common.sh
 * appends this file to the installed mbedtls/mbedtls_config.h, so that the library and everything
 * that includes its headers are compiled with the same settings: structs differ in size otherwise.
 *
 * Kept on purpose: TLS 1.2 and 1.3, session tickets, SNI, ALPN, checks of DNS names and IP addresses
 * in certificates, the cipher suites of old servers (an old relay is still a relay). */

/* Handshakes run on worker threads, several at a time. */
#define MBEDTLS_THREADING_C
#define MBEDTLS_THREADING_PTHREAD

/* A connection to a relay writes requests of a few hundred bytes: 2 KiB out instead of 16.  What we
 * receive may be as large as the protocol allows. */
#define MBEDTLS_SSL_OUT_CONTENT_LEN 2048

/* We are a client over TCP and nothing else. */
#undef MBEDTLS_SSL_SRV_C
#undef MBEDTLS_SSL_CACHE_C
#undef MBEDTLS_SSL_COOKIE_C
#undef MBEDTLS_SSL_TICKET_C
#undef MBEDTLS_SSL_ASYNC_PRIVATE
#undef MBEDTLS_SSL_PROTO_DTLS
#undef MBEDTLS_SSL_DTLS_ANTI_REPLAY
#undef MBEDTLS_SSL_DTLS_HELLO_VERIFY
#undef MBEDTLS_SSL_DTLS_CLIENT_PORT_REUSE
#undef MBEDTLS_SSL_DTLS_CONNECTION_ID

/* A renegotiation lets the peer choose when a handshake's cost falls due. */
#undef MBEDTLS_SSL_RENEGOTIATION

/* Nothing is stored: no persistent keys, no files but those that we open ourselves. */
#undef MBEDTLS_PSA_CRYPTO_STORAGE_C
#undef MBEDTLS_PSA_ITS_FILE_C

/* Not used: pre-shared keys, debug output, self tests, signatures and messages of other protocols. */
#undef MBEDTLS_KEY_EXCHANGE_PSK_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_DHE_PSK_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_ECDHE_PSK_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_RSA_PSK_ENABLED
#undef MBEDTLS_DEBUG_C
#undef MBEDTLS_SELF_TEST
#undef MBEDTLS_LMS_C
#undef MBEDTLS_PKCS7_C
#undef MBEDTLS_NET_C
#undef MBEDTLS_TIMING_C
