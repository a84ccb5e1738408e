// The models that this account has published, with their state; and how to publish one.
import { Card, Text } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import type { ModelView } from '../../../protocol/publish.ts'
import { Commands } from '../operator/commands.tsx'
import { useAccount } from '../session/session.ts'
import { TextLink } from '../ui/links.tsx'
import { PagedRecords, type Column } from '../ui/records.tsx'
import { Empty, Page } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { ModelState } from './model-state.tsx'
import { publicationsQuery } from './publication-queries.ts'
import { Royalties } from './royalties.tsx'

export function PublicationsPage() {
  const accountId = useAccount()?.accountId
  const query = useInfiniteQuery({ ...publicationsQuery(accountId ?? ''), enabled: accountId !== undefined })
  return (
    <Page title="Your models" intro="What you have published. Of every call of it you are paid the royalty.">
      <Card withBorder>
        <PagedRecords
          query={query}
          caption="Your models"
          columns={COLUMNS}
          keyOf={({ id }) => id}
          empty={
            <Empty title="You have published no model yet">
              <Text>A model is a folder of files. The program looks at it, and your wallet signs what it says.</Text>
              <HowToPublish />
            </Empty>
          }
        />
      </Card>
      {query.data?.pages[0]?.data.length ? <Royalties /> : null}
      {query.data?.pages[0]?.data.length ? (
        <Card withBorder>
          <Text fw={600} mb="xs">
            Publish another, or a new version
          </Text>
          <Text size="sm" mb="xs">
            Other files are another model: publish them under a new name, then say of the old one that it is deprecated
            and what replaces it.
          </Text>
          <HowToPublish />
        </Card>
      ) : null}
    </Page>
  )
}

function HowToPublish() {
  return (
    <Commands
      commands={[
        {
          line: 'souk-node publish FOLDER --id yourname/model --licence Apache-2.0 --royalty-bps 500 --dry-run',
          why: 'Look at everything first; nothing is signed or sent:',
        },
        {
          line: `SOUK_OPERATOR_KEY=0x… souk-node publish FOLDER --id yourname/model --licence Apache-2.0 --royalty-bps 500 --gateway ${window.location.origin}`,
          why: 'Publish it; 500 is 5 % of each call, and may later fall and never rise:',
        },
      ]}
    />
  )
}

const COLUMNS: readonly Column<ModelView>[] = [
  {
    title: 'Model',
    cell: ({ id }) => {
      const [author = '', name = ''] = id.split('/')
      return (
        <TextLink inherit to="/publications/$author/$name" params={{ author, name }}>
          {id}
        </TextLink>
      )
    },
  },
  { title: 'State', cell: ({ state }) => <ModelState state={state} /> },
  { title: 'Why', cell: ({ reason }) => reason ?? '–' },
  { title: 'Does', cell: ({ manifest }) => manifest.task },
  { title: 'Licence', cell: ({ manifest }) => manifest.licence },
  { title: 'Royalty', isNumber: true, cell: ({ royaltyBps }) => `${royaltyBps / 100} %` },
  { title: 'Published', cell: ({ createdAt }) => <When at={createdAt} /> },
]
