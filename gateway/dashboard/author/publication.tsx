// One model of the author: what it is, its state and the change of it, and who serves it.
import { Card, Code, List, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import type { ModelView } from '../../../protocol/publish.ts'
import { ApiError } from '../data/api.ts'
import { Licence } from '../operator/licence.tsx'
import { ModelLink } from '../operator/model-link.tsx'
import { endpointsQuery, modelQuery } from '../operator/node-queries.ts'
import { OTHERS } from '../operator/serving.tsx'
import { useAccount } from '../session/session.ts'
import { LinkButton, TextLink } from '../ui/links.tsx'
import { Pairs, type Pair } from '../ui/pairs.tsx'
import { Records } from '../ui/records.tsx'
import { Empty, Loaded, Page } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { MODEL_STATE_WORDS, ModelState } from './model-state.tsx'
import { StateForm } from './state-form.tsx'

const route = getRouteApi('/publications/$author/$name')

export function PublicationPage() {
  const { author, name } = route.useParams()
  const id = `${author}/${name}`
  const account = useAccount()
  const query = useQuery(modelQuery(id))
  const isMissing = query.error instanceof ApiError && query.error.status === 404
  const isOthers =
    query.data !== undefined && account !== undefined && query.data.authorAccountId !== account?.accountId
  if (isMissing || isOthers)
    return (
      <Page title="Your model">
        <Card withBorder>
          <Empty title="There is no such model among yours">
            <TextLink to="/publications">Your models</TextLink>
          </Empty>
        </Card>
      </Page>
    )
  return (
    <Page
      title={id}
      intro={query.data?.manifest.description}
      actions={
        <LinkButton to="/publications" variant="default">
          All your models
        </LinkButton>
      }
    >
      <Loaded query={query}>
        {(model) => (
          <Stack>
            <State model={model} />
            <Card withBorder>
              <Title order={2} size="h4" mb="xs">
                Who serves it
              </Title>
              <Servers id={id} />
            </Card>
            <Facts model={model} />
          </Stack>
        )}
      </Loaded>
    </Page>
  )
}

function State({ model }: { model: ModelView }) {
  const { state, reason, replacedBy } = model
  return (
    <Card withBorder>
      <Stack gap="xs" align="flex-start">
        <ModelState state={state} />
        <Text>{MODEL_STATE_WORDS[state]}</Text>
        {reason !== null && <Text style={{ overflowWrap: 'anywhere' }}>Reason: {reason}</Text>}
        {replacedBy !== null && (
          <Text>
            To use instead: <ModelLink id={replacedBy} />
          </Text>
        )}
        {state !== 'blocked' && <StateForm model={model} />}
      </Stack>
    </Card>
  )
}

function Servers({ id }: { id: string }) {
  const query = useQuery(endpointsQuery(id))
  if (query.error instanceof ApiError && query.error.status < 500 && query.error.status >= 400)
    return <Text>Nobody: {query.error.message}</Text>
  return (
    <Loaded query={query} rows={2}>
      {({ data: { endpoints } }) =>
        endpoints.length === 0 ? (
          <Text>No node offers it now. Operators find it in the market; you may serve it yourself.</Text>
        ) : (
          <Records caption={`Nodes that serve ${id}`} columns={OTHERS} rows={endpoints} keyOf={({ node }) => node} />
        )
      }
    </Loaded>
  )
}

function Facts({ model }: { model: ModelView }) {
  const { manifest, digest, royaltyBps, createdAt, publishedBy } = model
  const facts: readonly Pair[] = [
    ['Does', manifest.task],
    ['Licence', <Licence key="licence" expression={manifest.licence} />],
    ['Royalty', `${royaltyBps / 100} % of each call; it may fall and never rise`],
    ['Digest', <Code key="digest">{digest}</Code>],
    ['Published', <When key="at" at={createdAt} />],
    ['Signed by', publishedBy ?? 'nobody, it is of before'],
    [
      'Files',
      <List key="files" size="sm">
        {Object.keys(manifest.files).map((file) => (
          <List.Item key={file}>{file}</List.Item>
        ))}
      </List>,
    ],
  ]
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="xs">
        What it is
      </Title>
      <Pairs label="What it is" pairs={facts} />
      <Text size="sm" c="dimmed" mt="xs">
        Its description, licence, sources and a lower royalty are changed by publishing the same files again (
        <Code>souk-node publish</Code>). Other files are another model under another name.
      </Text>
    </Card>
  )
}
