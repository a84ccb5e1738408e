// The house's office, put together: each group of routes stands in a file of its own.
import { Hono } from 'hono'
import type { AppEnv } from '../core/principal.ts'
import { createDisputeRoutes, type DisputeRouteNeeds } from './dispute-routes.ts'
import { createListRoutes } from './list-routes.ts'
import { createLogRoutes, type LogRouteNeeds } from './log-routes.ts'
import { createParameterRoutes, type ParameterRouteNeeds } from './parameter-routes.ts'
import { createReportRoutes } from './report-routes.ts'

type AdminNeeds = DisputeRouteNeeds &
  LogRouteNeeds &
  Omit<ParameterRouteNeeds, 'parameters'> & {
    readonly parameters: DisputeRouteNeeds['parameters'] & ParameterRouteNeeds['parameters']
  }

/** Mounted at /api. */
export const createAdminRoutes = (needs: AdminNeeds) =>
  new Hono<AppEnv>()
    .route('/', createParameterRoutes(needs))
    .route('/', createLogRoutes(needs))
    .route('/', createDisputeRoutes(needs))
    .route('/', createReportRoutes(needs))
    .route('/', createListRoutes(needs))
