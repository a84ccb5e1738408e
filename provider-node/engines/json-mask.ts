// JSON mode: which bytes may come next so that an answer is one JSON object (RFC 8259) and nothing else, byte by byte, so that tokens may cut it
// anywhere, inside a character too. It begins with its brace; nesting and white space are bounded as no writer of JSON would pass: weak models give
// line breaks as long as they may.
// A state is the function that judges the next byte: it gives the state behind it, or null where the byte must not come.

/** arrays and objects within each other */
export const JSON_DEPTH_MAX = 64
/** bytes of white space in a row, one line break among them at most: that and an indentation */
export const JSON_SPACE_MAX = 64

export class JsonMask {
  readonly #now = new Position()
  readonly #trial = new Position()

  /** Whether these bytes, at least one of them, may come next. */
  allows(bytes: Uint8Array): boolean {
    if (bytes.length === 0) return false
    this.#trial.become(this.#now)
    return this.#trial.read(bytes)
  }

  /** @returns false, and is of no use any more, when they must not come */
  push(bytes: Uint8Array): boolean {
    return this.#now.read(bytes)
  }

  /** The object is whole: nothing but white space could follow. */
  get isComplete(): boolean {
    return this.#now.state === done
  }
}

/** Where in an object one is. */
class Position {
  state: State | null = start
  /** per open bracket: is it an object's? */
  readonly isObject = new Array<boolean>(JSON_DEPTH_MAX).fill(false)
  depth = 0
  /** the string under way is a key */
  isKey = false
  /** white space in a row, and line breaks in it */
  spaces = 0
  lines = 0

  become(other: Position): void {
    this.state = other.state
    for (let level = 0; level < other.depth; level++) this.isObject[level] = other.isObject[level] === true
    this.depth = other.depth
    this.isKey = other.isKey
    this.spaces = other.spaces
    this.lines = other.lines
  }

  read(bytes: Uint8Array): boolean {
    for (const byte of bytes) {
      if (this.state === null) return false
      this.state = this.state(this, byte)
    }
    return this.state !== null
  }

  open(isObject: boolean): State | null {
    if (this.depth === JSON_DEPTH_MAX) return null
    this.isObject[this.depth++] = isObject
    return isObject ? firstKey : firstItem
  }

  close(isObject: boolean): State | null {
    if (this.isInObject() !== isObject) return null
    this.depth -= 1
    return this.depth === 0 ? done : afterValue
  }

  isInObject(): boolean {
    return this.isObject[this.depth - 1] === true
  }

  string(isKey: boolean): State {
    this.isKey = isKey
    return text
  }
}

type State = (at: Position, byte: number) => State | null

const code = (character: string): number => character.charCodeAt(0)
const [QUOTE, BACKSLASH, COMMA, COLON] = [code('"'), code('\\'), code(','), code(':')]
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [code('{'), code('}'), code('['), code(']')]
const [MINUS, PLUS, POINT, ZERO, LINE_FEED] = [code('-'), code('+'), code('.'), code('0'), code('\n')]

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39
const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
const isE = (byte: number): boolean => byte === code('e') || byte === code('E')
const isHex = (byte: number): boolean =>
  isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)

/** A bounded run of white space, then what `next` allows. */
function spaced(next: State): State {
  const self: State = (at, byte) => {
    if (isSpace(byte)) {
      at.spaces += 1
      if (byte === LINE_FEED) at.lines += 1
      return at.spaces <= JSON_SPACE_MAX && at.lines <= 1 ? self : null
    }
    at.spaces = 0
    at.lines = 0
    return next(at, byte)
  }
  return self
}

/** One byte of a kind, then what `next` allows. `next` is asked for late: states refer to each other. */
const one =
  (isKind: (byte: number) => boolean, next: () => State): State =>
  (_at, byte) =>
    isKind(byte) ? next() : null
const between = (low: number, high: number, next: () => State): State =>
  one((byte) => byte >= low && byte <= high, next)

const start: State = (at, byte) => (byte === OPEN_OBJECT ? at.open(true) : null)
const key = spaced((at, byte) => (byte === QUOTE ? at.string(true) : null))
const firstKey = spaced((at, byte) => (byte === CLOSE_OBJECT ? at.close(true) : key(at, byte)))
const colon = spaced((_at, byte) => (byte === COLON ? value : null))
const value = spaced(beginValue)
const firstItem = spaced((at, byte) => (byte === CLOSE_ARRAY ? at.close(false) : beginValue(at, byte)))
const done = spaced(() => null)
const afterValue = spaced((at, byte) => {
  if (byte === COMMA) return at.isInObject() ? key : value
  if (byte === CLOSE_OBJECT) return at.close(true)
  return byte === CLOSE_ARRAY ? at.close(false) : null
})

const word = (rest: string): State =>
  one(
    (byte) => byte === code(rest),
    () => (rest.length === 1 ? afterValue : (WORDS.get(rest.slice(1)) ?? afterValue)),
  )
/** Every end of the three words, so that no state is made while judging. */
const WORDS = new Map(
  ['true', 'false', 'null'].flatMap((whole) =>
    [...whole].map((_, from) => [whole.slice(from), word(whole.slice(from))]),
  ),
)

function beginValue(at: Position, byte: number): State | null {
  if (byte === QUOTE) return at.string(false)
  if (byte === OPEN_OBJECT) return at.open(true)
  if (byte === OPEN_ARRAY) return at.open(false)
  if (byte === code('t')) return WORDS.get('rue') ?? null
  if (byte === code('f')) return WORDS.get('alse') ?? null
  if (byte === code('n')) return WORDS.get('ull') ?? null
  return byte === MINUS ? afterMinus : afterMinus(at, byte)
}

/** A string, behind a whole character. UTF-8 by the table of RFC 3629: nothing overlong, no surrogate, nothing above U+10FFFF. */
function text(at: Position, byte: number): State | null {
  if (byte === QUOTE) return at.isKey ? colon : afterValue
  if (byte === BACKSLASH) return escape
  if (byte < 0x20) return null
  if (byte < 0x80) return text
  if (byte < 0xc2) return null
  if (byte < 0xe0) return last
  if (byte < 0xf0) return byte === 0xe0 ? afterE0 : byte === 0xed ? afterEd : lastTwo
  return byte === 0xf0 ? afterF0 : byte < 0xf4 ? lastThree : byte === 0xf4 ? afterF4 : null
}
const last = between(0x80, 0xbf, () => text)
const lastTwo = between(0x80, 0xbf, () => last)
const lastThree = between(0x80, 0xbf, () => lastTwo)
const afterE0 = between(0xa0, 0xbf, () => last)
const afterEd = between(0x80, 0x9f, () => last)
const afterF0 = between(0x90, 0xbf, () => lastTwo)
const afterF4 = between(0x80, 0x8f, () => lastTwo)

function escape(_at: Position, byte: number): State | null {
  if (byte === code('u')) return hexFour
  return ESCAPED.has(byte) ? text : null
}
const ESCAPED = new Set([...'"\\/bfnrt'].map(code))
const hexOne = one(isHex, () => text)
const hexTwo = one(isHex, () => hexOne)
const hexThree = one(isHex, () => hexTwo)
const hexFour = one(isHex, () => hexThree)

// A number may end behind any of its digits: what is no part of it is judged as what follows a value.
function afterMinus(_at: Position, byte: number): State | null {
  if (byte === ZERO) return zero
  return isDigit(byte) ? integer : null
}
function integer(at: Position, byte: number): State | null {
  return isDigit(byte) ? integer : zero(at, byte)
}
function zero(at: Position, byte: number): State | null {
  return byte === POINT ? point : isE(byte) ? exponentSign : afterValue(at, byte)
}
const point = one(isDigit, () => fraction)
function fraction(at: Position, byte: number): State | null {
  if (isDigit(byte)) return fraction
  return isE(byte) ? exponentSign : afterValue(at, byte)
}
function exponentSign(at: Position, byte: number): State | null {
  return byte === PLUS || byte === MINUS ? exponentDigit : exponentDigit(at, byte)
}
const exponentDigit = one(isDigit, () => exponent)
function exponent(at: Position, byte: number): State | null {
  return isDigit(byte) ? exponent : afterValue(at, byte)
}
