import { expect, it } from 'vitest'
import { printable } from '../../../provider-node/cli/printable.ts'

it.each([
  ['what people write', 'Größe: 5 €, 日本語, 👩‍💻\n\tnext line', 'Größe: 5 €, 日本語, 👩‍💻\n\tnext line'],
  ['a colour', 'a\u001b[31mred', 'a [31mred'],
  ['a title of the window', '\u001b]0;gotcha\u0007', ' ]0;gotcha '],
  ['the same in one character', 'a\u009b2Jb', 'a 2Jb'],
  ['a line written over', 'refused\rpaid', 'refused paid'],
  ['letters that run backwards', 'a\u202eb\u2066c', 'a b c'],
])('%s', (_, text, shown) => expect(printable(text)).toBe(shown))
