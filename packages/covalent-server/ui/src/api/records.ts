/** What the server tells, as far as the page reads it; absent fields and nulls mean the same. */

export type Status =
  | "NEW_OBJECT"
  | "PENDING_REUSE"
  | "PENDING_REPLACEMENT"
  | "DISPATCHING"
  | "RUNNING"
  | "PENDING_POSTPROCESSING"
  | "POSTPROCESSING"
  | "COMPLETED"
  | "FAILED"
  | "FAILED_POSTPROCESSING"
  | "CANCELLED";

type Maybe<T> = T | null | undefined;

export interface Session {
  readonly owner: string;
  readonly scope: "user" | "read";
  readonly created_at: number;
  readonly expires_at: number;
}

/** What an object's writer claims of it; nobody has opened it since. */
export interface AssetDescription {
  readonly digest: string;
  readonly size: number;
  readonly type_name?: Maybe<string>;
  readonly object_string?: Maybe<string>;
  readonly json?: Maybe<string>;
}

export interface DispatchRecord {
  readonly dispatch_id: string;
  readonly root_dispatch_id: string;
  readonly name: string;
  readonly status: Status;
  readonly created_at: number;
  readonly started_at?: Maybe<number>;
  readonly ended_at?: Maybe<number>;
  readonly node_counts?: Maybe<Readonly<Partial<Record<Status, number>>>>;
  readonly result?: Maybe<AssetDescription>;
  readonly error?: Maybe<string>;
  readonly tags?: Maybe<readonly string[]>;
  readonly parent?: Maybe<string>;
  readonly parent_node?: Maybe<number>;
  readonly redispatch_of?: Maybe<string>;
}

export interface DispatchPage {
  readonly dispatches: readonly DispatchRecord[];
  readonly next?: Maybe<string>;
}

export interface SourceCode {
  readonly name?: Maybe<string>;
  readonly doc?: Maybe<string>;
  readonly source?: Maybe<string>;
}

export interface DispatchDetail {
  readonly dispatch: DispatchRecord;
  readonly inputs?: Maybe<AssetDescription>;
  readonly workflow?: Maybe<AssetDescription>;
  readonly code?: Maybe<SourceCode>;
  readonly client?: Maybe<{ readonly host?: Maybe<string>; readonly python?: Maybe<string>; readonly sdk?: Maybe<string> }>;
  readonly env?: Maybe<readonly string[]>;
  readonly priority?: Maybe<number>;
  readonly executors?: Maybe<
    readonly { readonly executor: string; readonly place?: Maybe<string>; readonly nodes?: Maybe<number> }[]
  >;
  readonly children?: Maybe<
    readonly { readonly dispatch_id: string; readonly name: string; readonly status: Status; readonly node_id: number }[]
  >;
}

/** A dispatch's graph; `api/columns.ts` turns it into arrays. */
export interface ColumnsAnswer {
  readonly sequence: number;
  readonly count: number;
  readonly ids: readonly number[];
  readonly names: readonly string[];
  readonly name: readonly number[];
  readonly kinds: readonly string[];
  readonly kind: readonly number[];
  readonly sources: readonly number[];
  readonly targets: readonly number[];
  readonly states: string;
}

export interface StatesAnswer {
  readonly sequence: number;
  readonly states: string;
}

export interface TimelineAnswer {
  readonly sequence: number;
  readonly origin: number;
  readonly started: readonly Maybe<number>[];
  readonly ended: readonly Maybe<number>[];
}

export interface Waiting {
  readonly node_id: number;
  readonly node_name: string;
  readonly code: string;
  readonly message: string;
  readonly since?: Maybe<number>;
  readonly due_at?: Maybe<number>;
  readonly nodes?: Maybe<readonly number[]>;
  readonly child?: Maybe<string>;
}

export interface NodeRecord {
  readonly node_id: number;
  readonly node_name: string;
  readonly kind: string;
  readonly status: Status;
  readonly attempt?: Maybe<number>;
  readonly started_at?: Maybe<number>;
  readonly ended_at?: Maybe<number>;
  readonly output?: Maybe<AssetDescription>;
  readonly error?: Maybe<string>;
  readonly failures?: Maybe<number>;
  readonly retry_at?: Maybe<number>;
  readonly child?: Maybe<string>;
  readonly printed?: Maybe<readonly string[]>;
  readonly environment?: Maybe<{
    readonly resolved?: Maybe<readonly string[]>;
    readonly warning?: Maybe<string>;
    readonly seconds?: Maybe<number>;
  }>;
  readonly workdir?: Maybe<string>;
}

export interface NodePage {
  readonly nodes: readonly NodeRecord[];
  readonly next?: Maybe<string>;
}

export interface Neighbour {
  readonly node_id: number;
  readonly node_name: string;
  readonly status: Status;
}

export interface NodeDetail {
  readonly node: NodeRecord;
  readonly state: string;
  readonly executor: string;
  readonly place?: Maybe<string>;
  readonly executor_data?: Maybe<Readonly<Record<string, unknown>>>;
  readonly worker?: Maybe<{ readonly id: string; readonly host?: Maybe<string>; readonly pid?: Maybe<number> }>;
  readonly why?: Maybe<Waiting>;
  readonly function?: Maybe<AssetDescription>;
  readonly code?: Maybe<SourceCode>;
  readonly retries?: Maybe<number>;
  readonly timeout?: Maybe<number>;
  readonly tags?: Maybe<readonly string[]>;
  readonly inputs?: Maybe<readonly NodeInput[]>;
  readonly parents?: Maybe<readonly Neighbour[]>;
  readonly children?: Maybe<readonly Neighbour[]>;
  readonly parent_count?: Maybe<number>;
  readonly child_count?: Maybe<number>;
  readonly attempts?: Maybe<readonly Attempt[]>;
}

export interface NodeInput {
  readonly name: string;
  readonly template: unknown;
  readonly assets?: Maybe<readonly AssetDescription[]>;
  readonly nodes?: Maybe<readonly number[]>;
}

export interface Attempt {
  readonly attempt: number;
  readonly began_at?: Maybe<number>;
  readonly ended_at?: Maybe<number>;
  readonly state: string;
}

export interface Event {
  readonly sequence: number;
  readonly at: number;
  readonly kind: string;
  readonly dispatch_id?: Maybe<string>;
  readonly node_id?: Maybe<number>;
  readonly attempt?: Maybe<number>;
  readonly detail?: Maybe<string>;
}

export interface EventPage {
  readonly events: readonly Event[];
  readonly resync?: Maybe<boolean>;
}

export interface ServerInfo {
  readonly version: string;
  readonly protocol: number;
  readonly instance: string;
  readonly pid: number;
  readonly url: string;
  readonly guard: string;
  readonly refusals?: Maybe<number>;
  readonly started_at: number;
  readonly features?: Maybe<readonly string[]>;
  readonly executors?: Maybe<readonly string[]>;
}

export interface Summary {
  readonly sequence: number;
  readonly counts: Readonly<Partial<Record<Status, number>>>;
  readonly running: readonly DispatchRecord[];
  readonly failed: readonly DispatchRecord[];
  readonly nodes: Readonly<Record<string, number>>;
  readonly waiting: readonly {
    readonly code: string;
    readonly message: string;
    readonly count: number;
    readonly dispatch_id: string;
    readonly node_id: number;
  }[];
  readonly workers: number;
  readonly server: ServerInfo;
}

export interface TriggerRecord {
  readonly trigger_id: string;
  readonly dispatch_id: string;
  readonly name: string;
  readonly trigger: {
    readonly clock?: Maybe<{ readonly gap: number }>;
    readonly timetable?: Maybe<{ readonly expression: string; readonly timezone?: Maybe<string> }>;
    readonly directory?: Maybe<{ readonly path: string; readonly changes: readonly string[] }>;
  };
  readonly created_at: number;
  readonly stopped_at?: Maybe<number>;
  readonly due_at?: Maybe<number>;
  readonly firings?: Maybe<number>;
  readonly fired_at?: Maybe<number>;
  readonly last_dispatch_id?: Maybe<string>;
  readonly error?: Maybe<string>;
}

export interface WorkerRecord {
  readonly worker: string;
  readonly host: string;
  readonly pid: number;
  readonly started_at: number;
  readonly tasks?: Maybe<number>;
  readonly silent_since?: Maybe<number>;
}

export interface JobRecord {
  readonly job: string;
  readonly state: string;
  readonly since: number;
  readonly place?: Maybe<string>;
  readonly host?: Maybe<string>;
  readonly worker?: Maybe<string>;
}

/** A set of tasks that the same workers can run. */
export interface PoolRecord {
  readonly pool: string;
  readonly executor: string;
  readonly place?: Maybe<string>;
  readonly waiting?: Maybe<number>;
  readonly workers?: Maybe<readonly WorkerRecord[]>;
  readonly jobs?: Maybe<readonly JobRecord[]>;
  readonly provisioners?: Maybe<readonly string[]>;
  readonly error?: Maybe<string>;
  readonly error_at?: Maybe<number>;
}

export interface LimitRecord {
  readonly name: string;
  readonly kind: string;
  readonly slots: number;
  readonly held?: Maybe<number>;
}

export interface SearchAnswer {
  readonly matches: readonly { readonly offset: number; readonly line: number; readonly text: string }[];
  readonly more?: Maybe<boolean>;
}
