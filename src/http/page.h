/* page: what /status says, for a person with a browser: one HTML page, nothing loaded from
 * elsewhere, no script; it loads itself again every few seconds. */
#ifndef HTTP_PAGE_H
#define HTTP_PAGE_H

#include "core/json.h"

/* `status` is an object; its members that are objects become sections.  malloc'd. */
char *page_html(const struct js *status);

#endif
