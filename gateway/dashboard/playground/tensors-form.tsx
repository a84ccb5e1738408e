// Inputs of a model of tensors, made from what the model itself says it takes (Open Inference Protocol, GET /v2/models/{model}).
import { Alert, Fieldset, Stack, Text, Textarea, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import type { TensorSpec } from '../../../protocol/oip.ts'
import { ApiError } from '../data/api.ts'
import { Loaded } from '../ui/state.tsx'
import { exampleOf, tensorRequest, type TensorField, type TensorRequest } from './tensor-fields.ts'

/** Of model_metadata_response: what this form needs. */
interface Metadata {
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
}

async function metadataOf(model: string): Promise<Metadata> {
  const reply = await fetch(`/v2/models/${model}`, { credentials: 'omit' })
  // The gateway's own answer, which it types itself (oip-metadata.ts), as everywhere in these pages; an error has neither.
  const metadata = (await reply.json().catch(() => null)) as Partial<Metadata> | null
  if (!reply.ok || !metadata?.inputs || !metadata.outputs)
    throw new ApiError(reply.status, 'unreadable', 'The gateway does not say what this model takes.', null)
  return { inputs: metadata.inputs, outputs: metadata.outputs }
}

/** @param onMade hears what the fields make whenever they change */
export function TensorsForm({ model, onMade }: { model: string; onMade: (made: TensorRequest) => void }) {
  const [fields, setFields] = useState<readonly TensorField[]>([])
  const metadata = useQuery({
    queryKey: ['oip-metadata', model],
    queryFn: () => metadataOf(model),
    staleTime: Infinity,
  })
  const inputs = metadata.data?.inputs
  useEffect(() => {
    if (inputs) setFields(inputs.map(exampleOf))
  }, [inputs])
  useEffect(() => onMade(tensorRequest(fields)), [fields, onMade])
  return (
    <Loaded query={metadata} rows={3}>
      {({ outputs }) => (
        <Stack>
          {fields.length === 0 && <Alert color="gray">This model names no inputs.</Alert>}
          {fields.map((field, at) => (
            <Input
              key={field.spec.name}
              field={field}
              onChange={(changed) => setFields(fields.map((each, i) => (i === at ? changed : each)))}
            />
          ))}
          <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
            It answers with {outputs.map(described).join('; ')}.
          </Text>
        </Stack>
      )}
    </Loaded>
  )
}

function Input({ field, onChange }: { field: TensorField; onChange: (field: TensorField) => void }) {
  const { spec } = field
  return (
    <Fieldset legend={described(spec)}>
      <Stack gap="xs">
        <TextInput
          label={`Shape of ${spec.name}`}
          description="Numbers with commas. Empty: as the data is nested."
          value={field.shape}
          onChange={(event) => onChange({ ...field, shape: event.currentTarget.value })}
        />
        <Textarea
          label={`Data of ${spec.name}, as JSON`}
          autosize
          minRows={2}
          maxRows={12}
          styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
          value={field.data}
          onChange={(event) => onChange({ ...field, data: event.currentTarget.value })}
        />
      </Stack>
    </Fieldset>
  )
}

/** `text: BYTES, any number`; a dimension that varies is named so. */
const described = ({ name, datatype, shape }: TensorSpec): string =>
  `${name}: ${datatype} [${shape.map((size) => (size === -1 ? 'any' : size)).join(', ')}]`
