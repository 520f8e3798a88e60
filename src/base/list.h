#pragma once

/*
 * Intrusive doubly linked lists. The head and the members are the same
 * struct; an empty head points at itself, a member in no list is zeroed.
 */
#include "base/mem.h"

struct list {
	struct list *next;
	struct list *prev;
};

#define list_entry(node, type, member) container_of(node, type, member)

#define list_each(node, head)                                                  \
	for (struct list *node = (head)->next; node != (head);                 \
		node = node->next)

/* The current member may be removed while walking. */
#define list_each_safe(node, head)                                             \
	for (struct list *node = (head)->next, *next_ = node->next;            \
		node != (head); node = next_, next_ = node->next)

static inline void list_init(struct list *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline bool list_linked(const struct list *node)
{
	return node->next != NULL;
}

static inline void list_insert_before(struct list *at, struct list *node)
{
	node->prev = at->prev;
	node->next = at;
	at->prev->next = node;
	at->prev = node;
}

static inline void list_push_back(struct list *head, struct list *node)
{
	list_insert_before(head, node);
}

static inline void list_push_front(struct list *head, struct list *node)
{
	list_insert_before(head->next, node);
}

/* Safe on a member that is in no list. */
static inline void list_remove(struct list *node)
{
	if (!node->next)
		return;
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = NULL;
	node->prev = NULL;
}

static inline void list_move(struct list *node, struct list *head)
{
	list_remove(node);
	list_push_back(head, node);
}

/* The first member, or NULL. */
static inline struct list *list_first(const struct list *head)
{
	return head->next == head ? NULL : head->next;
}

static inline struct list *list_pop(struct list *head)
{
	struct list *node = list_first(head);

	if (node)
		list_remove(node);
	return node;
}
