// What a webhook is made for (a rule): the list as its row keeps it, and whether an event is on it.
import { z } from 'zod'

const Kinds = z.array(z.string())

/** Null for all kinds, also those to come. */
export const kindsOf = (stored: string | null): string[] | null =>
  stored === null ? null : Kinds.parse(JSON.parse(stored))

export const wants = (stored: string | null, kind: string): boolean => kindsOf(stored)?.includes(kind) ?? true
