/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_redis.h"
#include "net/conn.h"
#include "net/listener.h"
#include "support.h"

struct fake_client {
	struct fake_client *next;
	struct fake_redis *redis;
	struct conn conn;
	redisReader *reader;
	struct timer timer; /* for answers in pieces */
	char *waiting;
	size_t waiting_at, waiting_len;
	bool subscribed;
};

static void
send_piece_cb(void *ctx)
{
	struct fake_client *client = ctx;
	size_t left = client->waiting_len - client->waiting_at;
	size_t piece = client->redis->piece;

	if (piece == 0 || piece > left)
		piece = left;
	if (piece == 0 ||
	    conn_write(
		&client->conn, client->waiting + client->waiting_at, piece))
		return;
	client->waiting_at += piece;
	timer_set(client->redis->loop, &client->timer, 0);
}

static void
say(struct fake_client *client, const char *bytes, size_t len)
{
	if (client->waiting_at == client->waiting_len)
		client->waiting_at = client->waiting_len = 0;
	client->waiting =
	    realloc(client->waiting, client->waiting_len + len + 1);
	ck_assert_ptr_nonnull(client->waiting);
	memcpy(client->waiting + client->waiting_len, bytes, len);
	client->waiting_len += len;
	if (client->redis->piece == 0)
		send_piece_cb(client);
	else if (!timer_is_set(&client->timer))
		timer_set(client->redis->loop, &client->timer, 0);
}

static const char *
usual_answer(const char *command)
{
	return strcmp(command, "PING") == 0 ? "+PONG\r\n" : "+OK\r\n";
}

static void
hear(struct fake_client *client, const redisReply *command)
{
	struct fake_redis *redis = client->redis;
	char words[1024] = "";
	const char *answer = NULL;

	ck_assert_int_eq(command->type, REDIS_REPLY_ARRAY);
	for (size_t i = 0; i < command->elements; i++) {
		size_t used = strlen(words);

		snprintf(words + used, sizeof(words) - used, "%s%s",
		    i > 0 ? " " : "", command->element[i]->str);
	}
	if (strlen(redis->heard) + strlen(words) + 2 < sizeof(redis->heard)) {
		strcat(redis->heard, words);
		strcat(redis->heard, "\n");
	}
	redis->n_commands++;
	client->subscribed |= strncmp(words, "SUBSCRIBE ", 10) == 0;
	if (redis->answer != NULL)
		answer = redis->answer(words);
	if (answer == NULL)
		answer = usual_answer(words);
	say(client, answer, strlen(answer));
}

static void
client_free(struct fake_client *client)
{
	struct fake_client **at = &client->redis->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	timer_clear(client->redis->loop, &client->timer);
	conn_fini(&client->conn);
	redisReaderFree(client->reader);
	free(client->waiting);
	free(client);
}

static void
readable_cb(struct conn *conn)
{
	struct fake_client *client = conn->owner;
	char data[65536];
	ssize_t got;
	void *command;

	while ((got = conn_read(conn, data, sizeof(data))) > 0) {
		redisReaderFeed(client->reader, data, (size_t)got);
		for (;;) {
			ck_assert_int_eq(
			    redisReaderGetReply(client->reader, &command),
			    REDIS_OK);
			if (command == NULL)
				break;
			hear(client, command);
			freeReplyObject(command);
		}
	}
	if (got != CONN_AGAIN)
		client_free(client);
}

static void
broken_cb(struct conn *conn)
{
	client_free(conn->owner);
}

static const struct conn_ops ops = {
    .readable_cb = readable_cb, .broken_cb = broken_cb};

static void
accepted_cb(void *ctx, int fd, const struct address *peer)
{
	struct fake_redis *redis = ctx;
	struct fake_client *client = calloc(1, sizeof(*client));

	(void)peer;
	ck_assert_ptr_nonnull(client);
	client->redis = redis;
	client->next = redis->clients;
	redis->clients = client;
	client->reader = redisReaderCreate();
	timer_init(&client->timer, send_piece_cb, client);
	ck_assert_int_eq(
	    conn_init(&client->conn, redis->loop, fd, &ops, client), 0);
	redis->n_connections++;
	if (redis->banner != NULL)
		say(client, redis->banner, strlen(redis->banner));
}

void
fake_redis_start(struct fake_redis *redis, struct loop *loop)
{
	struct address address = redis->address;

	if (address.len == 0)
		address = address_from("127.0.0.1:0");
	redis->loop = loop;
	redis->listeners = listeners_new(loop);
	ck_assert_ptr_nonnull(redis->listeners);
	ck_assert_int_eq(listener_open(&redis->listener, redis->listeners,
			     &address, false, accepted_cb, redis),
	    0);
	listener_address(&redis->listener, &redis->address);
}

void
fake_redis_hang_up(struct fake_redis *redis)
{
	while (redis->clients != NULL)
		client_free(redis->clients);
}

void
fake_redis_say(struct fake_redis *redis, const char *bytes, size_t len)
{
	for (struct fake_client *client = redis->clients; client != NULL;
	     client = client->next)
		say(client, bytes, len);
}

void
fake_redis_publish(struct fake_redis *redis, const char *bytes, size_t len)
{
	for (struct fake_client *client = redis->clients; client != NULL;
	     client = client->next)
		if (client->subscribed)
			say(client, bytes, len);
}

void
fake_redis_stop(struct fake_redis *redis)
{
	fake_redis_hang_up(redis);
	listener_close(&redis->listener);
	listeners_free(&redis->listeners);
}
