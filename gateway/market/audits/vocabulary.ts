// The words of audits (rule): plain English sentences put together by a small grammar, so that no two audits ask the same and none repeats a caller. A text is made to a length
// in bytes, to the byte where it is longer than a few words. All of it is ASCII: a character is a byte, in JSON as well.

export type Random = () => number

const NOUNS =
  'river harbour engine garden market letter bridge library winter teacher village machine orchestra recipe lantern forest budget mountain painter clock kitchen island journey festival railway contract museum battery library tailor island desert student archive voyage doctor meadow signal castle farmer'.split(
    ' ',
  )
const THINGS =
  'a short poem,three practical tips,a brief summary,a friendly email,a list of questions,an honest review,a clear definition,a small story,a step by step plan,two good arguments,a comparison,a polite reply,a headline,an explanation for children,a checklist'.split(
    ',',
  )
const ADJECTIVES =
  'old quiet modern narrow bright careful distant heavy early honest local plain rapid shared simple steady strange useful warm wooden'.split(
    ' ',
  )
const VERBS =
  'repair compare describe improve measure protect organise understand paint finish remember explain replace visit build'.split(
    ' ',
  )
const PLACES =
  'in the north,near the coast,after the war,during the summer,on a tight budget,before the meeting,in a small town,at the end of the year,without any tools,for the first time,every second week,over the last decade'.split(
    ',',
  )
const NAMES = 'Anna,Boris,Clara,David,Elena,Felix,Grace,Hugo,Irene,Jonas,Karim,Lucia,Mona,Nils,Olga,Pedro'.split(',')

/** Words of every length from 1 to 12, for the last gap. */
const FILLERS = [
  'a',
  'so',
  'now',
  'also',
  'again',
  'really',
  'exactly',
  'properly',
  'carefully',
  'thoroughly',
  'effectively',
  'considerably',
]

const one = (random: Random, words: readonly string[]): string => words[Math.floor(random() * words.length)] ?? ''
const upper = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** A sentence that tells something. */
function statement(random: Random): string {
  const noun = () => `${one(random, ADJECTIVES)} ${one(random, NOUNS)}`
  const forms = [
    () => `${one(random, NAMES)} wants to ${one(random, VERBS)} the ${noun()} ${one(random, PLACES)}.`,
    () => `The ${noun()} was sold for ${20 + Math.floor(random() * 9_000)} dollars ${one(random, PLACES)}.`,
    () => `We had to ${one(random, VERBS)} and ${one(random, VERBS)} the ${noun()}, because the ${noun()} was closed.`,
    () => `${upper(one(random, PLACES))}, ${one(random, NAMES)} saw a ${noun()} beside the ${one(random, NOUNS)}.`,
    () => `It takes ${2 + Math.floor(random() * 60)} minutes to ${one(random, VERBS)} a ${noun()}.`,
  ]
  return forms[Math.floor(random() * forms.length)]?.() ?? ''
}

/** A sentence that asks for something that has no one-word answer. */
function request(random: Random): string {
  const noun = () => `${one(random, ADJECTIVES)} ${one(random, NOUNS)}`
  const forms = [
    () => `Write ${one(random, THINGS)} about a ${noun()} ${one(random, PLACES)}`,
    () => `How would you ${one(random, VERBS)} a ${noun()} ${one(random, PLACES)}`,
    () => `Give me ${one(random, THINGS)} on how to ${one(random, VERBS)} the ${noun()}`,
    () => `What should ${one(random, NAMES)} know about the ${noun()} ${one(random, PLACES)}`,
    () => `Explain why people ${one(random, VERBS)} every ${noun()} ${one(random, PLACES)}`,
  ]
  return forms[Math.floor(random() * forms.length)]?.() ?? ''
}

/** A text of exactly so many bytes, from one byte on. It ends with what is asked, as prompts do. */
export function textOf(bytes: number, random: Random): string {
  const asked = request(random)
  if (asked.length + 2 > bytes) return exactly(asked, bytes)
  const told: string[] = []
  let left = bytes - asked.length - 2
  for (let next = statement(random); next.length + 1 <= left; next = statement(random)) {
    told.push(next)
    left -= next.length + 1
  }
  return exactly([...told, asked].join(' '), bytes)
}

/** Words added at the end, or left out there, until the length is right. */
function exactly(text: string, bytes: number): string {
  let made = text
  while (made.length >= bytes) {
    const shorter = made.slice(0, Math.max(0, made.lastIndexOf(' ')))
    if (shorter === '') return text.slice(0, bytes)
    made = shorter
  }
  for (let gap = bytes - made.length; gap >= 3; gap = bytes - made.length) {
    const length = Math.min(FILLERS.length, gap - 2)
    // A gap that a longest word would nearly fill is divided, so that no piece of a word is left.
    made += ` ${FILLERS[(gap - 2 > FILLERS.length && gap - 2 < FILLERS.length + 4 ? 6 : length) - 1] ?? ''}`
  }
  return bytes - made.length === 2 ? `${made}.?` : `${made}${'?'.repeat(bytes - made.length)}`
}

/** A word for a tensor of text. */
export const wordOf = (random: Random): string => one(random, NOUNS)
