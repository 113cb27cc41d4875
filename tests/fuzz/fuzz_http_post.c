/* SPDX-License-Identifier: MIT */
/* A webhook's answers of any bytes: a status, or a text that says what is wrong. */
#include "net/http_post.h"

#include "serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct serve serve;
	struct http_post post = {.host = "127.0.0.1",
	    .head = "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n",
	    .body = "{}",
	    .len = 2,
	    .timeout_ms = 10000};
	char error[HTTP_POST_ERROR_MAX] = "";
	int status;

	if (serve.fd == 0)
		serve_tcp(&serve);
	serve_say(&serve, "", data, len);
	post.port = serve.port;
	status = http_post(&post, error);
	REQUIRE(status == -1 ? error[0] != '\0' : status >= 200);
	return 0;
}
