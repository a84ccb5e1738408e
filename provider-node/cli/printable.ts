// What a terminal is given (rule): reasons of authors, sentences of gateways and names of folders stand in what is printed, and a terminal obeys
// characters as well as showing them. Lines and tabs stay; every other control, and what turns the direction of writing, becomes a space.

/** @example printable('a\u001b[2Jb') // 'a [2Jb' */
export const printable = (text: string): string =>
  text.replace(/[^\P{Cc}\n\t]|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, ' ')
