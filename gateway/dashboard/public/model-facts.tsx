// What a model's author says of it, and the digest that says which files it is.
import { Button, Card, Code, CopyButton, Group } from '@mantine/core'
import type { ReactNode } from 'react'
import type { ModelView } from '../../../protocol/publish.ts'
import { quantity } from '../ui/quantity.ts'
import { When } from '../ui/when.tsx'
import { isOfTensors, TASKS } from './prices.ts'
import classes from './public.module.css'

/** As the gateway sends it: what is of no use here may be missing. */
type Shown = Pick<ModelView, 'digest' | 'royaltyBps' | 'createdAt' | 'authorAccountId' | 'publishedBy'> & {
  readonly manifest: Pick<
    ModelView['manifest'],
    'task' | 'licence' | 'files' | 'sizes' | 'contextTokens' | 'outputTokensMax' | 'dimensions' | 'hardware'
  >
}

export function ModelFacts({ model }: { model: Shown }) {
  const { manifest, digest } = model
  const { sizes } = manifest
  const bytes = sizes === undefined ? null : Object.values(sizes).reduce((sum, size) => sum + size, 0)
  const files = Object.keys(manifest.files).length
  return (
    <Card withBorder>
      <dl className={classes.facts}>
        <Fact name="Task">{TASKS[manifest.task]}</Fact>
        <Fact name="Licence">{manifest.licence}</Fact>
        {!isOfTensors(manifest.task) && <Fact name="Context">{quantity(manifest.contextTokens, 'tokens')}</Fact>}
        {manifest.task === 'chat' && <Fact name="Longest answer">{quantity(manifest.outputTokensMax, 'tokens')}</Fact>}
        {manifest.dimensions !== undefined && <Fact name="Vector">{quantity(manifest.dimensions, 'numbers')}</Fact>}
        <Fact name="Files">
          {`${files} ${files === 1 ? 'file' : 'files'}${bytes === null ? '' : `, ${quantity(bytes, 'bytes')}`}`}
        </Fact>
        {manifest.hardware?.memoryBytes !== undefined && (
          <Fact name="Memory to serve it">{quantity(manifest.hardware.memoryBytes, 'bytes')}</Fact>
        )}
        <Fact name="Author’s royalty">{quantity(model.royaltyBps / 10_000, '%')} of each charge</Fact>
        <Fact name="Published">
          <When at={model.createdAt} />
        </Fact>
        {model.publishedBy !== null && (
          <Fact name="Signed by">
            <Code>{model.publishedBy}</Code>
          </Fact>
        )}
        <Fact name="Digest (sha256)">
          <Group gap="xs">
            <Code style={{ overflowWrap: 'anywhere' }}>{digest}</Code>
            <CopyButton value={digest}>
              {({ copied, copy }) => (
                <Button size="compact-xs" variant="default" onClick={copy}>
                  {copied ? 'Copied' : 'Copy'}
                </Button>
              )}
            </CopyButton>
          </Group>
        </Fact>
      </dl>
    </Card>
  )
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  )
}
