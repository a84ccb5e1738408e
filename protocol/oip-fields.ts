// Tensors as they come from outside: the schemas of what oip.ts has as types.
import { z } from 'zod'
import {
  DATATYPE_BYTES,
  OIP_LIMITS,
  type Datatype as Name,
  type OipTensorJson as TensorJson,
  type Parameters as Given,
  type TensorSpec as Spec,
} from './oip.ts'

export const Datatype = z.enum(Object.keys(DATATYPE_BYTES) as [Name, ...Name[]]) // the keys of a literal
export type Datatype = Name

/** Half a character is none: neither UTF-8 nor canonical JSON can say it. */
const isUnicode = (text: string): boolean => !/\p{Surrogate}/u.test(text)
const NOT_UNICODE = 'It is no string of Unicode characters.'
export const TensorName = z.string().min(1).max(OIP_LIMITS.nameCharacters).refine(isUnicode, NOT_UNICODE)

const dimensionFrom = (least: number) => z.number().int().min(least).max(OIP_LIMITS.dimension)
export const Shape = z.array(dimensionFrom(0)).max(OIP_LIMITS.rank)

export const TensorSpec = z.strictObject({
  name: TensorName,
  datatype: Datatype,
  shape: z.array(dimensionFrom(-1)).max(OIP_LIMITS.rank),
}) satisfies z.ZodType<Spec>

export const OipTensorJson = z.strictObject({
  name: TensorName,
  datatype: Datatype,
  shape: Shape,
  data: z.unknown(),
}) satisfies z.ZodType<TensorJson>

export const Parameters = z.record(
  z.string().max(64).refine(isUnicode, NOT_UNICODE),
  z.union([z.string().max(4_096).refine(isUnicode, NOT_UNICODE), z.number(), z.boolean()]),
) satisfies z.ZodType<Given>
export type Parameters = Given
