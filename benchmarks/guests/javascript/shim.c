// A connector in JavaScript: QuickJS-ng, and a script that is evaluated when the guest initialises. The script's value is
// the manifest, whose commands have a member run: a function from the parameters to the body of the answer.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../c/sluice.h"
#include "quickjs.h"

static const char SCRIPT[] = {
#embed SCRIPT_FILE
    , 0};

static JSContext *js;
static JSValue connector;

// fail ends the guest with the text of the exception.
_Noreturn static void fail(const char *doing) {
  const char *why = JS_ToCString(js, JS_GetException(js));
  fprintf(stderr, "%s: %s\n", doing, why ? why : "?");
  exit(1);
}

static JSValue checked(JSValue v, const char *doing) {
  if (JS_IsException(v)) fail(doing);
  return v;
}

__attribute__((constructor)) static void initialize(void) {
  js = JS_NewContext(JS_NewRuntime());
  connector = checked(JS_Eval(js, SCRIPT, sizeof SCRIPT - 1, "connector.js", JS_EVAL_TYPE_GLOBAL), "evaluating the script");
}

// stringify writes a value as JSON. What JSON.stringify has no text for, functions among it, is left out.
static void stringify(JSValue v) {
  JSValue text = checked(JS_JSONStringify(js, v, JS_UNDEFINED, JS_UNDEFINED), "writing JSON");
  size_t len;
  const char *bytes = JS_ToCStringLen(js, &len, text);
  if (!bytes) fail("writing JSON");
  sluice_write(bytes, len);
  JS_FreeCString(js, bytes);
  JS_FreeValue(js, text);
}

SLUICE_EXPORT(describe) void describe(void) { stringify(connector); }

SLUICE_EXPORT(execute) void execute(int32_t command) {
  size_t len = (size_t)sluice_size(SLUICE_PARAMS);
  char *text = malloc(len + 1);
  if (!text) exit(1);
  sluice_read(SLUICE_PARAMS, 0, text, len);
  text[len] = 0;
  JSValue params = checked(JS_ParseJSON(js, text, len, "parameters"), "reading the parameters");
  free(text);
  JSValue commands = JS_GetPropertyStr(js, connector, "commands");
  JSValue entry = JS_GetPropertyUint32(js, commands, (uint32_t)command);
  JSValue run = JS_GetPropertyStr(js, entry, "run");
  JSValue body = checked(JS_Call(js, run, JS_UNDEFINED, 1, (JSValueConst[]){params}), "running the command");
  stringify(body);
  sluice_answer("{}", 2);
  JSValue used[] = {params, commands, entry, run, body};
  for (size_t i = 0; i < sizeof used / sizeof *used; i++) JS_FreeValue(js, used[i]);
}
