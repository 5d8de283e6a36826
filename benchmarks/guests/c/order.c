// The connector order in C, with neither a library nor an allocator: a document is a tree of nodes in an array, whose
// texts point into the input.
//
// Its command Price adds the sums of an order to it. Repeat does the same work many times over, so that the cost of
// running code outweighs that of entering the guest.
#include "sluice.h"

static const char MANIFEST[] =
    "{\"name\":\"order\",\"version\":\"1.0.0\",\"description\":\"Prices orders\",\"commands\":["
    "{\"name\":\"Price\",\"description\":\"Adds the sums of an order to it\","
    "\"parameters\":[{\"id\":\"order\",\"type\":\"any\",\"required\":true}]},"
    "{\"name\":\"Repeat\",\"description\":\"Prices an order 500 times\","
    "\"parameters\":[{\"id\":\"order\",\"type\":\"any\",\"required\":true}]}]}";

enum { REPEATS = 500, MAX_TEXT = 64 << 10, MAX_NODES = 4096, TAX_PERCENT = 19 };

typedef enum { OBJECT, ARRAY, OTHER } kind;

// A value. Members of an object have a name, with its quotes; a number made here has no text.
typedef struct node {
  const char *name, *text;
  uint32_t name_len, text_len;
  int64_t number;
  struct node *first, *last, *next;
  kind kind;
} node;

static char input[MAX_TEXT], output[MAX_TEXT];
static node nodes[MAX_NODES];
static uint32_t used;
static const char *at, *end;
static char *out;

// fail ends the call: the host has checked that the parameters are JSON, so this one is too large, or no order.
_Noreturn static void fail(void) { __builtin_trap(); }

static node *new_node(kind k) {
  if (used == MAX_NODES) fail();
  node *n = &nodes[used++];
  *n = (node){.kind = k};
  return n;
}

static void append(node *parent, node *child) {
  if (parent->last)
    parent->last->next = child;
  else
    parent->first = child;
  parent->last = child;
}

static void skip_space(void) {
  while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) at++;
}

static char peek(void) {
  skip_space();
  if (at == end) fail();
  return *at;
}

static void expect(char c) {
  if (peek() != c) fail();
  at++;
}

static void skip_string(void) {
  for (expect('"'); at < end && *at != '"'; at++)
    if (*at == '\\') at++;
  if (at >= end) fail();
  at++;
}

static node *parse(void) {
  char c = peek();
  if (c == '{' || c == '[') {
    node *n = new_node(c == '{' ? OBJECT : ARRAY);
    char close = c == '{' ? '}' : ']';
    at++;
    if (peek() == close) return at++, n;
    for (;;) {
      const char *name = at;
      uint32_t name_len = 0;
      if (n->kind == OBJECT) {
        peek();
        name = at;
        skip_string();
        name_len = (uint32_t)(at - name);
        expect(':');
      }
      node *child = parse();
      child->name = name;
      child->name_len = name_len;
      append(n, child);
      if (peek() == close) return at++, n;
      expect(',');
    }
  }
  node *n = new_node(OTHER);
  n->text = at;
  if (c == '"')
    skip_string();
  else
    while (at < end && *at != ',' && *at != '}' && *at != ']' && *at != ' ' && *at != '\n') at++;
  n->text_len = (uint32_t)(at - n->text);
  return n;
}

// is compares a member's name with one without quotes.
static int is(const node *n, const char *name) {
  uint32_t i = 0;
  for (; name[i]; i++)
    if (i + 2 >= n->name_len || n->name[i + 1] != name[i]) return 0;
  return n->name_len == i + 2;
}

static node *member(const node *object, const char *name) {
  for (node *n = object->first; n; n = n->next)
    if (is(n, name)) return n;
  fail();
}

static int64_t integer(const node *n) {
  int64_t v = 0;
  uint32_t i = n->text_len && n->text[0] == '-';
  if (i == n->text_len) fail();
  for (; i < n->text_len; i++) {
    if (n->text[i] < '0' || n->text[i] > '9') fail();
    v = v * 10 + (n->text[i] - '0');
  }
  return n->text[0] == '-' ? -v : v;
}

#define ADD(object, name, value) add(object, "\"" name "\"", sizeof(name) + 1, value)

static void add(node *object, const char *name, uint32_t name_len, int64_t value) {
  node *n = new_node(OTHER);
  n->name = name;
  n->name_len = name_len;
  n->number = value;
  append(object, n);
}

static void put(const char *text, uint32_t len) {
  if (len > (uint32_t)(output + MAX_TEXT - out)) fail();
  __builtin_memcpy(out, text, len);
  out += len;
}

static void put_integer(int64_t v) {
  char digits[20];
  uint32_t i = sizeof digits;
  uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
  do digits[--i] = (char)('0' + u % 10);
  while (u /= 10);
  if (v < 0) digits[--i] = '-';
  put(digits + i, (uint32_t)sizeof digits - i);
}

static void serialise(const node *n) {
  if (n->kind == OTHER) {
    if (n->text)
      put(n->text, n->text_len);
    else
      put_integer(n->number);
    return;
  }
  put(n->kind == OBJECT ? "{" : "[", 1);
  for (const node *child = n->first; child; child = child->next) {
    if (child != n->first) put(",", 1);
    if (n->kind == OBJECT) {
      put(child->name, child->name_len);
      put(":", 1);
    }
    serialise(child);
  }
  put(n->kind == OBJECT ? "}" : "]", 1);
}

static void price(node *order) {
  int64_t items = 0, net = 0;
  for (node *line = member(order, "lines")->first; line; line = line->next) {
    int64_t quantity = integer(member(line, "quantity"));
    int64_t total = quantity * integer(member(line, "unit_cents"));
    ADD(line, "total_cents", total);
    items += quantity;
    net += total;
  }
  int64_t discount = net * integer(member(order, "discount_percent")) / 100;
  int64_t tax = (net - discount) * TAX_PERCENT / 100;
  ADD(order, "items", items);
  ADD(order, "net_cents", net);
  ADD(order, "discount_cents", discount);
  ADD(order, "tax_cents", tax);
  ADD(order, "gross_cents", net - discount + tax);
}

static void work(size_t len) {
  used = 0;
  at = input;
  end = input + len;
  out = output;
  node *order = member(parse(), "order");
  price(order);
  serialise(order);
}

SLUICE_EXPORT(describe) void describe(void) { sluice_write(MANIFEST, sizeof MANIFEST - 1); }

SLUICE_EXPORT(execute) void execute(int32_t command) {
  int64_t len = sluice_size(SLUICE_PARAMS);
  if (len < 0 || len > MAX_TEXT || sluice_read(SLUICE_PARAMS, 0, input, (size_t)len) != len) fail();
  for (int i = command == 1 ? REPEATS : 1; i > 0; i--) work((size_t)len);
  sluice_write(output, (size_t)(out - output));
  sluice_answer("{}", 2);
}
