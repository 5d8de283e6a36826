// The connector order in AssemblyScript, with json-as: its command Price adds the sums of an order to it.
import { JSON } from "json-as";

@external("sluice:host/v1", "size") declare function size(handle: i32): i64;
@external("sluice:host/v1", "read") declare function read(handle: i32, offset: i64, ptr: usize, len: i32): i32;
@external("sluice:host/v1", "write") declare function write(ptr: usize, len: i32): i32;
@external("sluice:host/v1", "answer") declare function answer(ptr: usize, len: i32): i32;

const TAX_PERCENT: i64 = 19;

const MANIFEST =
  '{"name":"order","version":"1.0.0","description":"Prices orders","commands":[{"name":"Price",' +
  '"description":"Adds the sums of an order to it","parameters":[{"id":"order","type":"any","required":true}]}]}';

@json
class Line {
  sku: string = "";
  name: string = "";
  quantity: i64 = 0;
  unit_cents: i64 = 0;
  total_cents: i64 = 0;
}

@json
class Order {
  id: i64 = 0;
  customer: string = "";
  currency: string = "";
  discount_percent: i64 = 0;
  lines: Line[] = [];
  items: i64 = 0;
  net_cents: i64 = 0;
  discount_cents: i64 = 0;
  tax_cents: i64 = 0;
  gross_cents: i64 = 0;
}

@json
class Params {
  order: Order = new Order();
}

function price(order: Order): void {
  for (let i = 0; i < order.lines.length; i++) {
    const line = order.lines[i];
    line.total_cents = line.quantity * line.unit_cents;
    order.items += line.quantity;
    order.net_cents += line.total_cents;
  }
  order.discount_cents = (order.net_cents * order.discount_percent) / 100;
  const reduced = order.net_cents - order.discount_cents;
  order.tax_cents = (reduced * TAX_PERCENT) / 100;
  order.gross_cents = reduced + order.tax_cents;
}

function text(handle: i32): string {
  const bytes = new ArrayBuffer(<i32>size(handle));
  read(handle, 0, changetype<usize>(bytes), bytes.byteLength);
  return String.UTF8.decode(bytes);
}

function send(body: string): void {
  const bytes = String.UTF8.encode(body);
  write(changetype<usize>(bytes), bytes.byteLength);
}

export function describe(): void {
  send(MANIFEST);
}

export function execute(_command: i32): void {
  const params = JSON.parse<Params>(text(0));
  price(params.order);
  send(JSON.stringify(params.order));
  const head = String.UTF8.encode("{}");
  answer(changetype<usize>(head), head.byteLength);
}

// warm grows the heap as calls will, and fills the tables of the JSON code.
export function warm(): void {
  const sample = '{"order":{"id":1,"customer":"a","currency":"EUR","discount_percent":1,"lines":[' +
    '{"sku":"a","name":"b","quantity":1,"unit_cents":1},{"sku":"a","name":"b","quantity":1,"unit_cents":1}]}}';
  for (let i = 0; i < 16; i++) {
    const params = JSON.parse<Params>(sample);
    price(params.order);
    String.UTF8.encode(JSON.stringify(params.order));
  }
}

// trap is what the language calls where a program cannot go on.
export function trap(_message: string, _file: string, _line: u32, _column: u32): void {
  unreachable();
}
